//go:build !cu

// Besidecu runs a forward pass on a context, memory and a stream of gorgonia.org/cu's. See build.sh for what cu needs.
package main

import "log"

func main() {
	log.SetFlags(0)
	log.Fatal("besidecu: built without gorgonia.org/cu; build it by examples/besidecu/build.sh")
}
