package install

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	p := newPerson(t)
	was := "{\n  \"env\": {\n    \"ANTHROPIC_AUTH_TOKEN\": \"hush\"\n  },\n  \"x\": \"sk-ant-api03-hush\"\n}"
	will := strings.Replace(strings.Replace(was, "hush\"\n  }", "hush\"\n  },\n  \"hooks\": {}", 1), "\n}", "\n}\n", 1)
	got := Change{Path: "/f", was: []byte(was), will: []byte(will)}.Diff()
	want := `--- /f
+++ /f
@@ -2,5 +2,6 @@
   "env": {
     "ANTHROPIC_AUTH_TOKEN": "…"
   },
+  "hooks": {},
   "x": "sk-ant-…"
-}
\ No newline at end of file
+}
`
	if got != want {
		t.Errorf("Diff:\n%s\nwant\n%s", got, want)
	}
	large := Change{Path: "/f", was: bytes.Repeat([]byte("x\n"), 5000), will: bytes.Repeat([]byte("y\n"), 5000)}
	if n := strings.Count(large.Diff(), "\n"); n != 10003 {
		t.Errorf("a diff of two large files has %d lines, want all", n)
	}
	// What diff shows is what it takes to get from one to the other.
	patch, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("not tested: patch is not installed")
	}
	text := Change{Path: "/f", was: []byte("a\nb\nc\nd\ne\nf\n"), will: []byte("a\nB\nc\nd\ne\nf\ng\n")}.Diff()
	p.write("f", "a\nb\nc\nd\ne\nf\n", 0o600)
	cmd := exec.Command(patch, filepath.Join(p.home, "f"))
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("patch: %v\n%s%s", err, out, text)
	}
}
