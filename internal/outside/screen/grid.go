package screen

const (
	gridRows = 256
	gridCols = 256
)

// grid is a screen as large as any, of which the real one shows the upper left part. What is written beyond its right
// edge is lost.
type grid struct {
	rows           [gridRows]line
	top            int // index of the first line: lines are not moved when the screen scrolls
	y, x           int // the cursor
	savedY, savedX int
}

// line is a line; what is behind its first n cells is blank, whatever the cells say.
type line struct {
	cells   [gridCols]rune
	n       int
	changed bool
}

func (g *grid) index(y int) int { return (g.top + y) % gridRows }

func (g *grid) moveTo(y int) {
	if y >= gridRows {
		g.top = (g.top + 1) % gridRows
		y = gridRows - 1
		g.rows[g.index(y)].n = 0
	}
	g.y = max(0, y)
}

func (g *grid) save() { g.savedY, g.savedX = g.y, g.x }

// open returns the cells from x to end of the cursor's line, for writing.
func (g *grid) open(x, end int) []rune {
	row := &g.rows[g.index(g.y)]
	for row.n < x {
		row.cells[row.n] = ' '
		row.n++
	}
	row.n = max(row.n, end)
	row.changed = true
	return row.cells[x:end]
}

func (g *grid) ascii(p []byte) {
	if g.x < gridCols {
		for i, cells := 0, g.open(g.x, min(g.x+len(p), gridCols)); i < len(cells); i++ {
			cells[i] = rune(p[i])
		}
	}
	g.x = min(g.x+len(p), gridCols)
}

func (g *grid) rune(r rune) {
	if r == '\u00a0' {
		r = ' '
	}
	w := width(r)
	if w == 0 {
		return
	}
	if g.x < gridCols {
		cells := g.open(g.x, min(g.x+w, gridCols))
		cells[0] = r
		if len(cells) > 1 {
			cells[1] = ' '
		}
	}
	g.x = min(g.x+w, gridCols)
}

// erase blanks the cells from x to end of the cursor's line.
func (g *grid) erase(x, end int) {
	row := &g.rows[g.index(g.y)]
	row.changed = true
	if end >= row.n {
		row.n = min(row.n, x)
		return
	}
	for ; x < end; x++ {
		row.cells[x] = ' '
	}
}

func (g *grid) eraseLine(mode int) {
	switch mode {
	case 0:
		g.erase(g.x, gridCols)
	case 1:
		g.erase(0, g.x+1)
	case 2:
		g.erase(0, gridCols)
	}
}

func (g *grid) eraseScreen(mode int) {
	from, to := 0, gridRows
	switch mode {
	case 0:
		g.eraseLine(0)
		from = g.y + 1
	case 1:
		g.eraseLine(1)
		to = g.y
	}
	for y := from; y < to; y++ {
		g.rows[g.index(y)].n = 0
	}
}

// width returns how many cells r takes: two for East Asian wide characters and emoji, none for what combines.
func width(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case r < 0x370, r == 0x200b, r == 0x200d, r >= 0xfe00 && r <= 0xfe0f:
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}
