package verify

import "sync"

// pool bounds how many goroutines compute at once.
type pool struct{ tokens chan struct{} }

func newPool(workers int) *pool { return &pool{make(chan struct{}, max(workers, 1))} }

// each calls f(0) … f(n−1) on up to the pool's number of goroutines, shared with every other caller, and returns when
// all have returned. f does not call each.
func (p *pool) each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		p.tokens <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-p.tokens; wg.Done() }()
			f(i)
		}()
	}
	wg.Wait()
}
