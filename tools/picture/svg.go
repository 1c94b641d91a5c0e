package main

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Sizes of the picture, in its own units. Every row is stretched to its number of columns, so that the reader's font
// does not matter.
const (
	cellWidth  = 8
	cellHeight = 18
	margin     = 16
	fontSize   = 13
)

// hold is the time for which the last screen stays before the film begins anew.
const hold = 6 * time.Second

// film is a sequence of screens.
type film struct {
	cols   int
	frames []string // each a screen: lines without spaces at their ends
	step   time.Duration
	title  string
}

// svg draws the film. Each screen is a picture below the one before, each different line is in it once, and a window as
// high as one screen is moved down in steps. At rest it stands before the last screen.
func (f film) svg() string {
	frames := slices.Compact(slices.Clone(f.frames))
	rows := 0
	for _, frame := range frames {
		rows = max(rows, strings.Count(frame, "\n")+1)
	}
	width, height := f.cols*cellWidth+2*margin, rows*cellHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">`+"\n", width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", escaped(f.title))
	b.WriteString(f.style(frames, height))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8"/>`+"\n<defs>\n", width, height)
	names := make(map[string]int)
	for _, frame := range frames {
		for line := range strings.SplitSeq(frame, "\n") {
			if _, ok := names[line]; ok || line == "" {
				continue
			}
			names[line] = len(names)
			fmt.Fprintf(&b, `<text id="l%d" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
				names[line], utf8.RuneCountInString(line)*cellWidth, escaped(line))
		}
	}
	fmt.Fprintf(&b, "</defs>\n"+`<svg x="%d" y="%[1]d" width="%d" height="%d"><g class="film">`+"\n", margin, f.cols*cellWidth, rows*cellHeight)
	for i, frame := range frames {
		for j, line := range strings.Split(frame, "\n") {
			if line != "" {
				fmt.Fprintf(&b, `<use href="#l%d" y="%d"/>`, names[line], i*height+(j+1)*cellHeight-cellHeight/4)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("</g></svg>\n</svg>\n")
	return b.String()
}

// style makes the film run: which screen shows when, in hundredths of the whole.
func (f film) style(frames []string, height int) string {
	var b strings.Builder
	whole := time.Duration(len(f.frames)-1)*f.step + hold
	fmt.Fprintf(&b, "<style>\nrect { fill: #161b22; stroke: #30363d }\ntext { font: %dpx ui-monospace, Menlo, Consolas, \"DejaVu Sans Mono\", monospace; fill: #e6edf3; white-space: pre }\n", fontSize)
	fmt.Fprintf(&b, ".film { transform: translateY(%dpx); animation: film %.1fs step-end infinite }\n", -(len(frames)-1)*height, whole.Seconds())
	b.WriteString("@media (prefers-reduced-motion: reduce) { .film { animation: none } }\n@keyframes film {\n")
	shown := 0
	for i, frame := range f.frames {
		if i > 0 && frame == f.frames[i-1] {
			continue
		}
		fmt.Fprintf(&b, "%.2f%% { transform: translateY(%dpx) }\n", 100*float64(time.Duration(i)*f.step)/float64(whole), -shown*height)
		shown++
	}
	b.WriteString("}\n</style>\n")
	return b.String()
}

func escaped(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
