package cuda

import (
	"slices"
	"time"
)

// stream is a stream, which holds no work but what it captures.
type stream struct {
	capturing bool
	captured  []func() result
}

// event is a mark in a stream's work.
type event struct{ at time.Time }

// submit runs work of a stream, or captures it.
func (d *Driver) submit(on uintptr, work func() result) result {
	d.mu.Lock()
	s := d.streams[on]
	if s != nil && s.capturing {
		s.captured = append(s.captured, work)
		d.mu.Unlock()
		return success
	}
	d.mu.Unlock()
	if s == nil {
		return invalidHandle
	}
	return work()
}

// submitted makes a function of work that acts on the arguments before the stream.
func submitted(stream int, work function) function {
	return func(d *Driver, a []uintptr) result {
		a = slices.Clone(a)
		return d.submit(a[stream], func() result { return work(d, a) })
	}
}

// hostCopy is submitted for a copy from or to the host, whose memory is the caller's for the call alone: it cannot be
// captured.
func hostCopy(stream int, work function) function {
	return func(d *Driver, a []uintptr) result {
		d.mu.Lock()
		s := d.streams[a[stream]]
		d.mu.Unlock()
		switch {
		case s == nil:
			return invalidHandle
		case s.capturing:
			return captureInvalid
		}
		return work(d, a)
	}
}

func streamCreate(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle()
	d.streams[h] = new(stream)
	return put(a[0], h)
}

func streamDestroy(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a[0] == 0 || d.streams[a[0]] == nil {
		return invalidHandle
	}
	delete(d.streams, a[0])
	return success
}

func streamSynchronize(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s := d.streams[a[0]]; {
	case s == nil:
		return invalidHandle
	case s.capturing:
		return captureInvalid
	}
	return success
}

func streamBeginCapture(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.streams[a[0]]
	switch {
	case s == nil || a[0] == 0:
		return invalidHandle
	case s.capturing:
		return captureInvalid
	}
	s.capturing, s.captured = true, nil
	return success
}

func streamEndCapture(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.streams[a[0]]
	if s == nil || !s.capturing {
		return captureInvalid
	}
	h := d.handle()
	d.graphs[h] = s.captured
	s.capturing, s.captured = false, nil
	return put(a[1], h)
}

func graphInstantiate(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.graphs[a[1]]
	if !ok {
		return invalidHandle
	}
	h := d.handle()
	d.graphs[h] = g
	return put(a[0], h)
}

func graphLaunch(d *Driver, a []uintptr) result {
	d.mu.Lock()
	g, ok := d.graphs[a[0]]
	d.mu.Unlock()
	if !ok {
		return invalidHandle
	}
	return d.submit(a[1], func() result {
		for _, work := range g {
			if r := work(); r != success {
				return r
			}
		}
		return success
	})
}

func graphDestroy(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.graphs[a[0]]; !ok {
		return invalidHandle
	}
	delete(d.graphs, a[0])
	return success
}

func eventCreate(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.handle()
	d.events[h] = new(event)
	return put(a[0], h)
}

func eventDestroy(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.events[a[0]] == nil {
		return invalidHandle
	}
	delete(d.events, a[0])
	return success
}

func eventRecord(d *Driver, a []uintptr) result {
	d.mu.Lock()
	e := d.events[a[0]]
	d.mu.Unlock()
	if e == nil {
		return invalidHandle
	}
	return d.submit(a[1], func() result {
		d.mu.Lock()
		defer d.mu.Unlock()
		e.at = time.Now()
		return success
	})
}

func eventElapsedTime(d *Driver, a []uintptr) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to := d.events[a[1]], d.events[a[2]]
	if from == nil || to == nil {
		return invalidHandle
	}
	return put(a[0], float32(to.at.Sub(from.at).Seconds()*1e3))
}
