package sigattn

// ReadImages reads the images of every kernel of p as Load would, and returns how many there are.
func ReadImages(p *Package) (int, error) {
	a, err := openArchive(p)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, info := range p.Kernels {
		for _, ptx := range []bool{false, true} {
			if c := (choice{info, ptx}); a.has(c.entry()) {
				if _, err := a.image(c.entry()); err != nil {
					return n, err
				}
				n++
			}
		}
	}
	return n, nil
}
