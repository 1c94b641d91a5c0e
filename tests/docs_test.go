package tests

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is a Markdown file of the repository.
type page struct {
	path   string
	prose  string // without the fenced blocks
	blocks []block
}

// block is a fenced block: what stands behind the fence, and the lines in it.
type block struct {
	lang  string
	lines []string
}

// pages are all there are.
func pages(t *testing.T) (list []page) {
	t.Helper()
	noted()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "dist" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		data, err := os.ReadFile(path)
		list = append(list, parsePage(path, string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func parsePage(path, text string) page {
	p := page{path: path}
	var prose strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		lang, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !inside:
			p.blocks = append(p.blocks, block{lang: lang})
			inside = true
		case fence:
			inside = false
		case inside:
			b := &p.blocks[len(p.blocks)-1]
			b.lines = append(b.lines, line)
		default:
			prose.WriteString(line + "\n")
		}
	}
	p.prose = prose.String()
	return p
}

// commands are the lines that the page tells the reader to type: those of its blocks of shell, and those behind a
// prompt in any other.
func (p page) commands() (list []string) {
	for _, b := range p.blocks {
		for _, line := range b.lines {
			typed, prompt := strings.CutPrefix(line, "$ ")
			if (b.lang == "sh" || prompt) && strings.TrimSpace(typed) != "" {
				list = append(list, typed)
			}
		}
	}
	return list
}

// TestBlocksAreOfAKindThatIsChecked: what is marked otherwise would be checked by nobody.
func TestBlocksAreOfAKindThatIsChecked(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		if indented := regexp.MustCompile(`(?m)^\n {4,}\S.*$`).FindString(p.prose); indented != "" {
			t.Errorf("%s has a block without a fence, which nobody checks: %q", p.path, indented)
		}
		for _, b := range p.blocks {
			text := strings.Join(b.lines, "\n")
			switch b.lang {
			case "", "sh": // commands in both are run, see TestRealReadme
			case "toml":
				if errs := loads(t, text); errs != "" {
					t.Errorf("%s: settings that do not work: %s\n%s", p.path, errs, text)
				}
			case "json":
				if !json.Valid([]byte(text)) {
					t.Errorf("%s: no JSON:\n%s", p.path, text)
				}
			default:
				t.Errorf("%s has a block of %q; those of sh, toml and json are checked, and those without a name", p.path, b.lang)
			}
		}
	}
}

// What is named between back-quotes is what there is: commands and flags of afteryou, targets of make, options of
// install.sh.
func TestCommandsNamedAreThoseThereAre(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	install := read(t, "install.sh")
	checkMake := func(p page, target string) {
		if !strings.Contains(makefile, "\n"+target+":") {
			t.Errorf("%s: the Makefile has no %q", p.path, target)
		}
	}
	for _, p := range pages(t) {
		named := p.commands()
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(p.prose, -1) {
			named = append(named, m[1])
		}
		for _, text := range named {
			words := strings.Fields(text)
			for len(words) > 0 && strings.Contains(words[0], "=") { // variables
				words = words[1:]
			}
			if len(words) < 2 {
				continue
			}
			switch words[0] {
			case "make":
				checkMake(p, words[1])
			case "./install.sh":
				if strings.HasPrefix(words[1], "--") && !strings.Contains(install, "\t"+words[1]+")") {
					t.Errorf("%s: install.sh has no option %q", p.path, words[1])
				}
			case "afteryou":
				checkCommand(t, p, words[1:])
			}
		}
	}
}

func checkCommand(t *testing.T, p page, words []string) {
	t.Helper()
	if slices.Contains([]string{"--help", "--version", "COMMAND", "…"}, words[0]) {
		return
	}
	c, ok := command(words[0])
	if !ok {
		t.Errorf("%s: afteryou has no command %q", p.path, words[0])
		return
	}
	for _, w := range words[1:] {
		if w == "--" || strings.HasPrefix(w, "|") {
			return // what follows is another program's
		}
		name, isFlag := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if isFlag && name != "help" && !slices.Contains(c.flags, name) {
			t.Errorf("%s: afteryou %s has no flag --%s", p.path, c.name, name)
		}
	}
}

// A shell empties the file behind a > before the command reads it. So none that anybody is told to type, by a page, by help
// or by the manual, leads its output to a file that it names or that afteryou reads.
func TestNoCommandNamedWritesWhatItReads(t *testing.T) {
	t.Parallel()
	told := map[string][]string{"afteryou --help": {says(t, "--help")}, "afteryou man": strings.Split(says(t, "man"), "\n")}
	for _, c := range commands() {
		told["afteryou "+c.name+" --help"] = strings.Split(c.help, "\n")
	}
	for _, p := range pages(t) {
		told[p.path] = p.commands()
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(p.prose, -1) {
			told[p.path] = append(told[p.path], m[1])
		}
	}
	redirect := regexp.MustCompile(`(?:>>?\|?|\btee(?: -a)?)\s*("[^"]+"|'[^']+'|[^\s|;&<>()]+)`)
	reads := regexp.MustCompile(`(?:^|/)(?:config\.toml|settings(?:\.local)?\.json|\.claude\.json|state\.json|log)$|/(?:projects|afteryou)/`)
	writes := func(text string) (file string, ok bool) {
		for _, m := range redirect.FindAllStringSubmatchIndex(text, -1) {
			file, rest := strings.Trim(text[m[2]:m[3]], `"'`), text[:m[0]]+text[m[1]:]
			if strings.Contains(" "+rest+" ", " "+file+" ") || strings.Contains(rest, "afteryou") && reads.MatchString(file) {
				return file, true
			}
		}
		return "", false
	}
	for where, texts := range told {
		for _, text := range texts {
			if file, ok := writes(text); ok {
				t.Errorf("%s: %q empties %s before it is read\nhint: config --write", where, text, file)
			}
		}
	}
	for _, bad := range []string{"afteryou config > ~/.config/afteryou/config.toml", "sort list >list", "afteryou config | tee ~/.config/afteryou/config.toml", `afteryou config >"$HOME/.config/afteryou/config.toml"`} {
		if _, ok := writes(bad); !ok {
			t.Errorf("%q is taken for harmless", bad)
		}
	}
	for _, good := range []string{"afteryou man | man -l -", "afteryou completion bash > ~/.bash_completion", "afteryou usage 2>&1"} {
		if file, ok := writes(good); ok {
			t.Errorf("%q is taken to write to %s, which it reads", good, file)
		}
	}
}

// The README's table has each command, as help does.
func TestReadmeNamesTheCommands(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(read(t, "README.md"), "\n## Commands\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var want []string
	told := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(section, -1)
	for _, c := range commands() {
		want = append(want, "| `"+c.name+"` | "+c.summary+" |")
	}
	if got, want := strings.Join(told, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("the README's table of commands is\n%s\nwant\n%s", got, want)
	}
}

// The README's table has each setting, and no other, with its default.
func TestReadmeNamesTheSettings(t *testing.T) {
	t.Parallel()
	names, built := settingNames(t)
	_, section, _ := strings.Cut(read(t, "README.md"), "\n## Settings\n")
	section, _, _ = strings.Cut(section, "\n## ")
	told := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (?:`([^`]*)`)? *\\|").FindAllStringSubmatch(section, -1) {
		told[m[1]] = strings.Trim(m[2], `"`)
	}
	for _, name := range names {
		if is, ok := told[name]; !ok || is != built[name].Value {
			t.Errorf("the README says of the setting %q that it is %q, %v; it is %q", name, is, ok, built[name].Value)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("the README has a setting %q, which there is not", name)
	}
}

// hosts are those that links may lead to. Nothing is fetched: what stands there is looked at by whoever adds one.
var hosts = []string{"github.com", "code.claude.com", "go.dev", "keepachangelog.com", "semver.org", "docs.rs", "platform.claude.com"}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	anchors := make(map[string][]string)
	for _, p := range pages(t) {
		for _, m := range regexp.MustCompile(`(?m)^#+ +(.+)$`).FindAllStringSubmatch(p.prose, -1) {
			anchors[p.path] = append(anchors[p.path], anchor(m[1]))
		}
	}
	for _, p := range pages(t) {
		var links []string
		for _, m := range regexp.MustCompile(`(?m)\]\(([^)\s]+)|^\[[^\]]+\]: (\S+)|(?:src|href)="([^"]+)"`).FindAllStringSubmatch(withoutCode(p.prose), -1) {
			links = append(links, m[1]+m[2]+m[3])
		}
		for _, m := range regexp.MustCompile(`\[([^\]]+)\]\[([^\]]*)\]`).FindAllStringSubmatch(withoutCode(p.prose), -1) {
			name := cmp.Or(m[2], m[1])
			if !strings.Contains(p.prose, "\n["+name+"]: ") {
				t.Errorf("%s: the link [%s] leads nowhere", p.path, name)
			}
		}
		for _, link := range links {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: link %q: %v", p.path, link, err)
				continue
			}
			if u.Scheme != "" {
				if u.Scheme != "https" || !slices.Contains(hosts, u.Host) {
					t.Errorf("%s: link %q leads to none of %q", p.path, link, hosts)
				}
				continue
			}
			target := p.path
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(p.path), u.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link %q: %v", p.path, link, err)
			} else if u.Fragment != "" && !slices.Contains(anchors[target], u.Fragment) {
				t.Errorf("%s: link %q: no such heading; there are %q", p.path, link, anchors[target])
			}
		}
	}
}

func withoutCode(prose string) string {
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(prose, "")
}

// anchor is a heading as GitHub makes it the end of a link.
func anchor(heading string) string {
	heading = strings.ToLower(strings.TrimSpace(heading))
	heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
	return strings.ReplaceAll(heading, " ", "-")
}

func read(t testing.TB, path string) string {
	t.Helper()
	noted()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The picture in the README is of the program and the Claude Code that the repository has now.
func TestPictureIsOfToday(t *testing.T) {
	t.Parallel()
	lines := []string{}
	d := xml.NewDecoder(strings.NewReader(read(t, "docs/demo.svg")))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("docs/demo.svg: %v", err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "text" {
			var line string
			if err := d.DecodeElement(&line, &start); err != nil {
				t.Fatalf("docs/demo.svg: %v", err)
			}
			lines = append(lines, line)
		}
	}
	shown := strings.Join(lines, "\n")
	for _, want := range []string{`Claude Code \d+\.\d+\.\d+`, "6 sessions of 6 calls each; the limit is 60 calls a minute", "each for itself", "with afteryou"} {
		if !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("docs/demo.svg does not show %q\nhint: make picture", want)
		}
	}
}
