package sigattn

//go:generate make generate
