package main

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plot draws the losses into a file whose name's extension says its format: .svg, .png, .pdf.
func (c *curves) plot(file string) error {
	p := plot.New()
	p.X.Label.Text = "step"
	p.Y.Label.Text = "cross entropy, nats"
	p.Y.Min = 0
	p.Add(plotter.NewGrid())
	p.Legend.Left = false
	p.Legend.Top = true
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
	return p.Save(18*vg.Centimeter, 10*vg.Centimeter, file)
}
