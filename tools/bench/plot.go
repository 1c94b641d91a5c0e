package main

import (
	"bytes"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colors tell ways apart, also for those who see few colours (Okabe and Ito).
var colors = []color.Color{
	color.RGBA{0x99, 0x99, 0x99, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff}, color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff},
	color.RGBA{0xcc, 0x79, 0xa7, 0xff},
}

// plots returns the pictures of the page, as SVG by their names.
func plots(r Results) (map[string][]byte, error) {
	var labels []string
	for _, s := range r.situations() {
		labels = append(labels, s.Name)
	}
	ways := names(ours())
	series := func(value func(Shared) float64) (list []bars) {
		for _, w := range ways {
			b := bars{name: w.Name}
			for _, s := range r.situations() {
				b.values = append(b.values, spreadOf(each(r.of(s.Name, false), w.Name, value)))
			}
			list = append(list, b)
		}
		return list
	}
	draws := map[string]func() ([]byte, error){
		"time.svg":       func() ([]byte, error) { return barChart("time / ideal", labels, series(Shared.ratio), 1) },
		"rejections.svg": func() ([]byte, error) { return barChart("rejections per answer", labels, series(Shared.rejected), 0) },
		"handoff.svg":    func() ([]byte, error) { return r.handOffs() },
		"keys.svg": func() ([]byte, error) {
			return r.units("µs from a key to its echo", "./wrapper", "KeyRoundTrip", "direct-µs", "wrapped-µs", "script-µs")
		},
		"firstbyte.svg": func() ([]byte, error) {
			return r.units("ms to the first byte", "./internal/gateway", "FirstByte", "ms-direct", "ms-gateway")
		},
	}
	files := make(map[string][]byte)
	for name, do := range draws {
		data, err := do()
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}

// bars are the values of one colour, one for each label.
type bars struct {
	name   string
	values []spread
}

// barChart draws bars side by side for each label, with the spread of each, and a line at what would be ideal.
func barChart(title string, labels []string, series []bars, ideal float64) ([]byte, error) {
	p := plot.New()
	p.Y.Label.Text = title
	p.Y.Min = 0
	p.Legend.Top, p.Legend.XOffs, p.Legend.Padding = true, -vg.Points(6), vg.Points(1)
	width := vg.Points(320 / float64(max(1, len(labels)*(len(series)+1))))
	for i, s := range series {
		var values plotter.Values
		errors := errorBars{}
		for x, v := range s.values {
			values = append(values, v.median)
			errors.XYs = append(errors.XYs, plotter.XY{X: float64(x), Y: v.median})
			errors.YErrors = append(errors.YErrors, struct{ Low, High float64 }{v.median - v.least, v.most - v.median})
		}
		if len(values) == 0 {
			continue
		}
		chart, err := plotter.NewBarChart(values, width)
		if err != nil {
			return nil, err
		}
		chart.Color, chart.LineStyle.Width = colors[i%len(colors)], 0
		chart.Offset = width * vg.Length(float64(i)-float64(len(series)-1)/2)
		p.Add(chart, &offset{errors, chart.Offset})
		if len(series) > 1 {
			p.Legend.Add(s.name+"  ", chart)
		}
	}
	if ideal > 0 {
		line := plotter.NewFunction(func(float64) float64 { return ideal })
		line.Dashes = []vg.Length{vg.Points(3), vg.Points(3)}
		p.Add(line)
	}
	if len(labels) > 0 {
		p.NominalX(labels...)
		p.X.Min, p.X.Max = -0.5, float64(len(labels))-0.5
	}
	p.Y.Max *= 1.15 // for the legend
	return svg(p, 640, 300)
}

type errorBars struct {
	plotter.XYs
	plotter.YErrors
}

// offset draws the spread of bars that stand beside their label's place.
type offset struct {
	errorBars
	by vg.Length
}

func (o *offset) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := draw.LineStyle{Color: color.Black, Width: vg.Points(0.5)}
	for i, at := range o.XYs {
		e := o.YErrors[i]
		if e.Low+e.High > 0 {
			c.StrokeLine2(style, x(at.X)+o.by, y(at.Y-e.Low), x(at.X)+o.by, y(at.Y+e.High))
		}
	}
}

// DataRange makes room for the most.
func (o *offset) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymin, ymax = plotter.XYRange(o.XYs)
	for i, at := range o.XYs {
		ymax = math.Max(ymax, at.Y+o.YErrors[i].High)
	}
	return xmin, xmax, ymin, ymax
}

// units draws some units of one benchmark as bars.
func (r Results) units(title, pkg, benchmark string, units ...string) ([]byte, error) {
	b := bars{}
	for _, u := range units {
		b.values = append(b.values, spreadOf(r.values(pkg, benchmark, u)))
	}
	return barChart(title, units, []bars{b}, 0)
}

func (r Results) values(pkg, benchmark, unit string) []float64 {
	i := slices.IndexFunc(r.Overhead, func(o Overhead) bool {
		return o.Package == pkg && o.Benchmark == benchmark && o.Unit == unit
	})
	if i < 0 {
		return nil
	}
	return r.Overhead[i].Values
}

// handOffs draws how long a hand-off takes by how many are in line.
func (r Results) handOffs() ([]byte, error) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "sessions in line", "ms from a release to the next call"
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left = true, true
	for i, unit := range []string{"median-ms", "p99-ms"} {
		var line plotter.XYs
		for _, o := range r.Overhead {
			n, ok := strings.CutPrefix(o.Benchmark, "HandOff/waiting=")
			if waiting, err := strconv.Atoi(n); ok && err == nil && o.Unit == unit {
				line = append(line, plotter.XY{X: float64(waiting), Y: spreadOf(o.Values).median})
			}
		}
		if len(line) == 0 {
			continue
		}
		slices.SortFunc(line, func(a, b plotter.XY) int { return int(a.X - b.X) })
		l, points, err := plotter.NewLinePoints(line)
		if err != nil {
			return nil, err
		}
		l.Color, points.Color = colors[3+i], colors[3+i]
		p.Add(l, points)
		p.Legend.Add(unit, l, points)
	}
	return svg(p, 480, 260)
}

// svg draws the plot on white, so that it can be read on a dark page too.
func svg(p *plot.Plot, width, height float64) ([]byte, error) {
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 9}
	p.X.Label.TextStyle.Font, p.Y.Label.TextStyle.Font, p.Legend.TextStyle.Font = sans, sans, sans
	p.X.Tick.Label.Font, p.Y.Tick.Label.Font = sans, sans
	canvas := vgsvg.New(vg.Points(width), vg.Points(height))
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	const family = "font-family:Liberation Sans"
	return bytes.ReplaceAll(b.Bytes(), []byte(family), []byte(family+",Arial,sans-serif")), err
}
