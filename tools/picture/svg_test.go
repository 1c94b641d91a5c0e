package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A program that changes its screen is drawn as it changed, each line once, well formed, at rest on its last screen.
func TestAProgramIsRecordedAndDrawn(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.svg")
	script := `printf 'one <&>\n'; sleep 0.5; printf '\033[Htwo\033[K\nand a half\n'; sleep 0.5; printf 'end'`
	if err := run([]string{"-o", out, "-cols", "20", "-rows", "5", "-every", "100ms", "-title", "a & b", "--", "sh", "-c", script}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	uses := 0
	for d := xml.NewDecoder(strings.NewReader(string(data))); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, data)
		}
		start, ok := token.(xml.StartElement)
		switch {
		case ok && start.Name.Local == "text":
			var text string
			if err := d.DecodeElement(&text, &start); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, text)
		case ok && start.Name.Local == "use":
			uses++
		}
	}
	if got, want := strings.Join(texts, "|"), "one <&>|two|and a half|end"; got != want {
		t.Errorf("the lines are %q, want %q", got, want)
	}
	if want := 1 + 2 + 3; uses != want {
		t.Errorf("%d lines on three screens, want %d", uses, want)
	}
	// Two margins and three rows high; the last of three screens shows at rest.
	if want := "translateY(-172px); animation"; !strings.Contains(string(data), want) {
		t.Errorf("no %q in\n%s", want, data)
	}
}

func TestAProgramThatFailsMakesNoPicture(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.svg")
	err := run([]string{"-o", out, "--", "sh", "-c", "echo no; exit 3"})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there is a picture")
	}
}

func TestAScreenIsShownForItsTime(t *testing.T) {
	f := film{cols: 10, frames: []string{"a", "a", "b"}, step: 3 * time.Second}
	got := f.svg()
	// 2 steps of 3 s and 6 s for the last: b shows from the middle on.
	for _, want := range []string{"animation: film 12.0s", "0.00% { transform: translateY(0px) }", "50.00% { transform: translateY(-50px) }"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
