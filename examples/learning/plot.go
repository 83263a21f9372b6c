package main

import (
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plot draws the losses into a file whose name's extension says its format: .svg, .png, .pdf.
func (c *curves) plot(file string) error {
	p := plot.New()
	p.X.Label.Text = "step"
	p.Y.Label.Text = "cross entropy, nats"
	p.X.Tick.Marker, p.Y.Tick.Marker = every(50), every(0.5)
	p.Legend.Left = true
	p.Legend.XOffs, p.Legend.YOffs = 3*vg.Millimeter, 8*vg.Millimeter
	p.Legend.ThumbnailWidth = vg.Centimeter
	p.Legend.Padding = vg.Millimeter
	p.Add(plotter.NewGrid())
	for _, l := range []struct {
		curve
		color  color.RGBA
		width  vg.Length
		dashes []vg.Length
	}{
		{c.Softmax, color.RGBA{R: 0x99, G: 0x99, B: 0x99, A: 0xff}, 1, nil},
		{c.ZeroBias, color.RGBA{R: 0xd5, G: 0x5e, A: 0xff}, 1, nil},
		{c.Float64, color.RGBA{R: 0x9c, G: 0xcc, B: 0xee, A: 0xff}, 4, nil}, // wide, so that it shows on both sides of the next
		{c.BF16, color.RGBA{G: 0x40, B: 0x80, A: 0xff}, 1, []vg.Length{4, 2}},
	} {
		points := make(plotter.XYs, len(l.Loss))
		for i, loss := range l.Loss {
			points[i] = plotter.XY{X: float64(i), Y: float64(loss)}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width, line.Dashes = l.color, l.width, l.dashes
		p.Add(line)
		p.Legend.Add(l.Name, line)
	}
	p.Y.Min = 0
	return p.Save(18*vg.Centimeter, 10*vg.Centimeter, file)
}

// every places ticks at multiples of a step.
func every(step float64) plot.TickerFunc {
	return func(low, high float64) (ticks []plot.Tick) {
		for i := math.Ceil(low / step); i*step <= high; i++ {
			ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', -1, 64)})
		}
		return ticks
	}
}
