package screen

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/ratelimit"
)

// feed gives data to a new Stream in pieces of n bytes.
func feed(data []byte, n int) string {
	var s Stream
	var got strings.Builder
	for len(data) > 0 {
		n := min(n, len(data))
		if l, ok := s.Feed(data[:n]); ok {
			got.WriteString(written(l))
		}
		data = data[n:]
	}
	return got.String()
}

func TestStreamOfTheRealProgram(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(captures, "*.pty"))
	if err != nil || len(files) == 0 {
		t.Fatalf("captures: %v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		one := feed(data, 1)
		golden(t, filepath.Base(file), one)
		for _, n := range []int{2, 3, 7, 61} {
			if got := feed(data, n); got != one {
				t.Errorf("%s in pieces of %d bytes:\n got\n%s\nwant\n%s", file, n, got, one)
			}
		}
	}
}

func TestStream(t *testing.T) {
	const first = "\x1b[2J\x1b[H\x1b[3B✻ API error · retrying in 9s · attempt 1/10\x1b[K\x1b[9;1H"
	const spinner = "\x1b[4;1H✻ Pondering… (3s)\x1b[K\x1b[9;1H"
	const attempt1 = "API error 9s 1/10 wait"
	for _, tt := range []struct {
		name string
		in   []string
		want []string
	}{
		{"the seconds run", []string{first, "\x1b[4;27H8\x1b[9;1H", "\x1b[4;27H7\x1b[9;1H"}, []string{attempt1, "", ""}},
		{"the next try, two cells", []string{first, "\x1b[4;27H5\x1b[4;40H2\x1b[9;1H"}, []string{attempt1, "API error 5s 2/10 wait"}},
		{"the next call's first retry", []string{first, spinner, "\x1b[4;1H✻ API error · retrying in 9s · attempt 1/10\x1b[K\x1b[9;1H"},
			[]string{attempt1, "", attempt1}},
		{"painted again", []string{first, "\x1b[2J" + first[4:]}, []string{attempt1, ""}},
		{"moved by a line", []string{first, "\x1b[4;1H\x1b[K\x1b[6;1H✻ API error · retrying in 7s · attempt 1/10\x1b[9;1H"}, []string{attempt1, ""}},
		{"a line not finished yet", []string{"✻ API error · retrying in 9s · attempt 1/1", "0\r\n"}, []string{"", attempt1}},
		{"a rune cut in two", []string{first[:17], first[17:18], first[18:]}, []string{"", "", attempt1}},
		{"in the conversation", []string{"● ✻ API error · retrying in 9s · attempt 1/10\r\n  ✻ API error · retrying in 9s · attempt 1/10\r\n"}, []string{""}},
		{"in a title", []string{"\x1b]0;✻ API error · retrying in 9s · attempt 1/10\n\x07\n"}, []string{""}},
		{"behind a wide character", []string{"\x1b[1;4H日本\r✻ 429 x · retrying in 9s · attempt 3/10\x1b[K\n"}, []string{"rate limit 9s 3/10 wait"}},
		{"below a screen of output", []string{strings.Repeat("line\r\n", 1000) + "✻ API error · retrying in 9s · attempt 1/10\r\n"}, []string{attempt1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s Stream
			for i, in := range tt.in {
				l, ok := s.Feed([]byte(in))
				if got := brief(l, ok); got != tt.want[i] {
					t.Errorf("Feed(%q), piece %d\n got %q\nwant %q", in, i, got, tt.want[i])
				}
			}
		})
	}
}

func FuzzStream(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join(captures, "*.pty"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:min(len(data), 2<<10)], 3)
	}
	f.Add([]byte("\x1b[99999999B\x1b[99999999;99999999H\x1b[K✻\x1b[9X\x1b7\n\x1b8\x1b[1J\x1b]0;\x1b\x1b[2K"), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		n = max(1, min(n, len(data)))
		var s Stream
		all := ""
		for rest := data; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			l, ok := s.Feed(rest[:min(n, len(rest))])
			check(t, s.last, s.last.Kind != ratelimit.None)
			if ok {
				all += written(l)
			}
		}
		if one := feed(data, 1); n > 1 && !strings.HasSuffix("\n"+one, "\n"+all) && !subsequence(one, all) {
			t.Errorf("in pieces of %d bytes\n got %s\nof byte by byte\n %s", n, all, one)
		}
	})
}

// subsequence is whether the lines of part stand in all, in that order.
func subsequence(all, part string) bool {
	rest := strings.SplitAfter(all, "\n")
	for want := range strings.Lines(part) {
		for len(rest) > 0 && rest[0] != want {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return false
		}
		rest = rest[1:]
	}
	return true
}

func BenchmarkStream(b *testing.B) {
	frames, err := os.ReadFile(filepath.Join(captures, "kinds.pty"))
	if err != nil {
		b.Fatal(err)
	}
	random := make([]byte, 1<<20)
	x := uint32(1)
	for i := range random {
		x = x*1664525 + 1013904223
		random[i] = byte(x >> 24)
	}
	for _, bb := range []struct {
		name string
		data []byte
	}{
		{"text", bytes.Repeat([]byte(strings.Repeat("x", 79)+"\r\n"), 1<<20/81)},
		{"frames", frames},
		{"random", random},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var s Stream
			b.SetBytes(int64(len(bb.data)))
			for b.Loop() {
				for p := bb.data; len(p) > 0; p = p[min(len(p), 4096):] {
					s.Feed(p[:min(len(p), 4096)])
				}
			}
		})
	}
}
