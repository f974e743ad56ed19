package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Sizes of a plot, in px.
const (
	plotWidth, plotHeight            = 640, 300
	marginLeft, marginTop, marginEnd = 64, 16, 130
	marginBottom                     = 44
)

var colors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b", "#bcbd22", "#4b0082", "#17becf", "#333333"}

// series is a line of a plot.
type series struct {
	name string
	x, y []float64
}

// axis maps values to px.
type axis struct {
	low, high float64
	log       bool
	from, to  float64
}

func newAxis(values []float64, log bool, from, to float64) axis {
	a := axis{low: math.Inf(1), high: math.Inf(-1), log: log, from: from, to: to}
	for _, v := range values {
		a.low, a.high = min(a.low, v), max(a.high, v)
	}
	if !log {
		a.low, a.high = 0, a.high*1.05
	}
	if a.high <= a.low {
		a.high = a.low + 1
	}
	return a
}

func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// ticks are round values within the axis.
func (a axis) ticks() []float64 {
	var out []float64
	if a.log {
		for e := math.Floor(math.Log10(a.low)); e <= math.Ceil(math.Log10(a.high)); e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, e); v >= a.low*0.999 && v <= a.high*1.001 && (m == 1 || a.high/a.low < 1000) {
					out = append(out, v)
				}
			}
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10(a.high-a.low)))
	for (a.high-a.low)/step < 4 {
		step /= 2
	}
	for v := a.low; v <= a.high; v += step {
		out = append(out, v)
	}
	return out
}

// lineChart draws series over two axes. Values that a logarithmic axis cannot show are left out.
func lineChart(xLabel, yLabel string, logX, logY bool, list []series) string {
	var xs, ys []float64
	for i := range list {
		var x, y []float64
		for j := range list[i].x {
			if (!logX || list[i].x[j] > 0) && (!logY || list[i].y[j] > 0) {
				x, y = append(x, list[i].x[j]), append(y, list[i].y[j])
			}
		}
		list[i].x, list[i].y = x, y
		xs, ys = append(xs, x...), append(ys, y...)
	}
	if len(xs) == 0 {
		return "<p>Not measured yet.</p>\n"
	}
	ax, ay := newAxis(xs, logX, marginLeft, plotWidth-marginEnd), newAxis(ys, logY, plotHeight-marginBottom, marginTop)
	var b strings.Builder
	fmt.Fprintf(&b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\">\n", plotWidth, plotHeight, plotWidth)
	for _, v := range ax.ticks() {
		fmt.Fprintf(&b, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
			ax.at(v), ay.from, ax.at(v), ay.to, ax.at(v), ay.from+16, num(v))
	}
	for _, v := range ay.ticks() {
		fmt.Fprintf(&b, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
			ax.from, ay.at(v), ax.to, ay.at(v), ax.from-6, ay.at(v)+4, num(v))
	}
	fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (ax.from+ax.to)/2, plotHeight-8, html.EscapeString(xLabel))
	fmt.Fprintf(&b, "<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n", (ay.from+ay.to)/2, html.EscapeString(yLabel))
	for i, s := range list {
		color := colors[i%len(colors)]
		var points strings.Builder
		for j := range s.x {
			fmt.Fprintf(&points, "%.1f,%.1f ", ax.at(s.x[j]), ay.at(s.y[j]))
			fmt.Fprintf(&b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>%s: %s, %s</title></circle>\n", ax.at(s.x[j]), ay.at(s.y[j]), color, html.EscapeString(s.name), num(s.x[j]), num(s.y[j]))
		}
		fmt.Fprintf(&b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"%s\"/>\n", color, strings.TrimSpace(points.String()))
		legend(&b, i, color, s.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func legend(b *strings.Builder, i int, color, name string) {
	x, y := plotWidth-marginEnd+12, marginTop+10+i*18
	fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n", x, y-10, color, x+18, y, html.EscapeString(name))
}

// bar is a row of a bar chart: one value for each part, which are put behind one another.
type bar struct {
	name  string
	parts []float64
	color int // of the only part
}

// barChart draws rows to the right. parts names the parts; with one part there is no legend.
func barChart(xLabel string, parts []string, bars []bar) string {
	if len(bars) == 0 {
		return "<p>Not measured yet.</p>\n"
	}
	const rowHeight, left = 24, 250
	var sums []float64
	for _, r := range bars {
		sum := 0.0
		for _, v := range r.parts {
			sum += v
		}
		sums = append(sums, sum)
	}
	height := max(marginTop+len(bars)*rowHeight+marginBottom, marginTop+len(parts)*18+20)
	ax := newAxis(sums, false, left, plotWidth+100-marginEnd)
	var b strings.Builder
	fmt.Fprintf(&b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\">\n", plotWidth+100, height, plotWidth+100)
	bottom := float64(marginTop + len(bars)*rowHeight)
	for _, v := range ax.ticks() {
		fmt.Fprintf(&b, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", ax.at(v), marginTop, ax.at(v), bottom, ax.at(v), bottom+16, num(v))
	}
	fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", (ax.from+ax.to)/2, bottom+34, html.EscapeString(xLabel))
	for i, r := range bars {
		y, at := float64(marginTop+i*rowHeight), 0.0
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left-8, y+16, html.EscapeString(r.name))
		for k, v := range r.parts {
			color, name := colors[(k+r.color)%len(colors)], r.name
			if len(parts) > 1 {
				name += ", " + parts[k]
			}
			fmt.Fprintf(&b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"16\" fill=\"%s\"><title>%s: %s</title></rect>\n", ax.at(at), y+4, ax.at(at+v)-ax.at(at), color, html.EscapeString(name), num(v))
			at += v
		}
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", ax.at(at)+4, y+16, num(at))
	}
	if len(parts) > 1 {
		for k, name := range parts {
			x, y := plotWidth+100-marginEnd+40, marginTop+10+k*18
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n", x, y-10, colors[k%len(colors)], x+18, y, html.EscapeString(name))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
