package demo

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestIdeal(t *testing.T) {
	for _, c := range []struct {
		what string
		c    Config
		want float64
	}{
		{"the bucket releases all but the burst at its rate", Config{Sessions: 6, Calls: 6, RPM: 60, Burst: 2}, 34},
		{"the last call is answered", Config{Sessions: 12, Calls: 4, RPM: 30, Burst: 1, Latency: time.Second}, 95},
		{"a session calls one after the other", Config{Sessions: 4, Calls: 5, RPM: 1000, Burst: 200, Latency: 2 * time.Second}, 10},
		{"all at once", Config{Sessions: 1, Calls: 1, RPM: 60, Burst: 5}, 0},
	} {
		if got := c.c.Ideal(); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: Ideal(%+v) = %v, want %v", c.what, c.c, got, c.want)
		}
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3, 3, 3}, 1},
		{[]float64{1, 0, 0, 0}, .25},
		{[]float64{1, 2}, .9},
		{nil, 0},
	} {
		if got := jain(c.values); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("jain(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestChart(t *testing.T) {
	rows := []row{
		{events: []event{{0, 0, false}, {0, 2 * time.Second, true}, {0, 5 * time.Second, false}}, end: 6 * time.Second},
		{events: []event{{1, 3 * time.Second, true}, {1, 3 * time.Second, false}}, end: 4 * time.Second, err: errors.New("exit code 1")},
		{},
	}
	got := render("alone", rows, 8*time.Second, time.Second)
	want := `
alone, 8 s  (• answered, × rejected)
  1 •-×--•-` + strings.Repeat(" ", columns-7) + `   2 calls   1 rejected  6.0 s
  2 ---×-` + strings.Repeat(" ", columns-5) + `   1 calls   1 rejected  died
  3 ---------` + strings.Repeat(" ", columns-9) + `   0 calls   0 rejected  ` + "\n"
	if got != want {
		t.Errorf("render gives\n%q, want\n%q", got, want)
	}
}

func TestAChartThatGrowsTooLongIsDrawnSmaller(t *testing.T) {
	rows := []row{{events: []event{{0, 100 * time.Second, false}}, end: 120 * time.Second}}
	lines := strings.Split(render("long", rows, 120*time.Second, time.Second), "\n")
	if got := len([]rune(strings.Fields(lines[2])[1])); got > columns {
		t.Errorf("the time line has %d columns, want at most %d", got, columns)
	}
}
