package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What is wrong is named with its place, all of it at once, and nothing stays behind.
func TestFaultsHaveAPlace(t *testing.T) {
	t.Parallel()
	const good = `{"custom_id":"a","model":"m","max_tokens":1,"messages":[{"role":"user","content":"é"}]}`
	for in, want := range map[string]string{
		`{"custom_id":"a",}`: `p:1:18: no JSON: invalid character '}' looking for beginning of object key string`,
		`{"custom_id":"a"`:   `p:1:17: no JSON: unexpected end of JSON input`,
		good + ` x`:          `p:1:89: no JSON: invalid character 'x' after top-level value`,
		`["a"]`:              `p:1:1: the line is no object`,
		`{"model":"é","max_tokens":1,"custom_id":"a b"}`: `p:1:41: custom_id "a b": the API takes 1 to 64 of A-Z, a-z, 0-9, _ and -`,
		`{"custom_id":7}`:    `p:1:14: custom_id is no text`,
		good + "\n\n" + good: `p:3:14: custom_id "a" stands in line 1 already`,
		`{"custom_id":"line-2","model":"m","max_tokens":1,"prompt":"x"}` + "\n" + `{"model":"m","max_tokens":1,"prompt":"x"}`: `p:2:1: custom_id "line-2" stands in line 1 already`,
		`{"max_tokens":1,"prompt":"x"}`:                              `p:1:1: model is missing; --model is for all lines that name none`,
		` {"custom_id":"a", "params": {"model":"m","messages":[1]}}`: `p:1:30: max_tokens is missing; --max-tokens is for all lines without`,
		`{"model":"m","max_tokens":1}`:                               `p:1:1: messages is missing`,
		`{"model":"","max_tokens":1,"prompt":"x"}`:                   `p:1:10: model is no text`,
		`{"model":"m","max_tokens":0,"prompt":"x"}`:                  `p:1:27: max_tokens is no whole number from 1 on`,
		`{"model":"m","max_tokens":1,"messages":[]}`:                 `p:1:40: messages is no list with something in it`,
		`{"model":"m","max_tokens":1,"prompt":"x","stream":true}`:    `p:1:51: stream: a batch has no streams`,
		`{"model":"m","max_tokens":1,"prompt":"x","messages":[1]}`:   `p:1:42: "messages" stands beside prompt`,
		`{"custom_id":"a","params":{},"model":"m"}`:                  `p:1:30: "model" stands beside params`,
		`{"custom_id":"a","params":[]}`:                              `p:1:27: params is no object`,
		`{"model":"m","model":"m"}`:                                  `p:1:14: "model" stands twice`,
		"{\"prompt\":\"\xff\"}":                                      `p:1:12: no UTF-8`,
	} {
		root := filepath.Join(t.TempDir(), "batches")
		_, err := Check(strings.NewReader(in), "p", root, Defaults{})
		if got, want := fmt.Sprint(err), want+"\nhint: nothing was sent"; got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
		if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", in, left, err)
		}
	}
	_, err := Check(strings.NewReader(strings.Repeat("{}\n", 15)), "p", t.TempDir(), Defaults{})
	var faults *InputError
	if !errors.As(err, &faults) || len(faults.Faults) != maxFaults || faults.More != 5 || !strings.Contains(err.Error(), "\n… and 5 more\n") {
		t.Errorf("fifteen faults: %v", err)
	}
	if _, err := Check(strings.NewReader(" \n"), "p", t.TempDir(), Defaults{}); err == nil || err.Error() != "reading p: there is no request in it" {
		t.Errorf("nothing: %v", err)
	}
	if _, err := Check(strings.NewReader(`{"prompt":"`+strings.Repeat("x", maxLine)), "p", t.TempDir(), Defaults{}); err == nil || !strings.HasPrefix(err.Error(), "p:1:1: longer than 32 MB") {
		t.Errorf("a line without end: %.200v", err)
	}
}

// All three forms become what the API takes, to the letter.
func TestFormsOfARequest(t *testing.T) {
	t.Parallel()
	in := `{"custom_id":"a","params":{"temperature":1.0, "model":"m","max_tokens":7,"messages":[{"role":"user","content":"<é>"}]}}
{"model":"n","custom_id":"b","messages":[1e2],"max_tokens":8}
{"prompt":"<é>\n","system":"s"}`
	d, err := Check(strings.NewReader(in), "p", t.TempDir(), Defaults{Model: "d", MaxTokens: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	p, err := openPrompts(filepath.Join(d.place(), promptsName))
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	for i, want := range [][2]string{
		{"a", `{"temperature":1.0,"model":"m","max_tokens":7,"messages":[{"role":"user","content":"<é>"}]}`},
		{"b", `{"model":"n","messages":[1e2],"max_tokens":8}`},
		{"line-3", `{"system":"s","messages":[{"content":"<é>\n","role":"user"}],"model":"d","max_tokens":9}`},
	} {
		if id, params, err := p.line(i); id != want[0] || string(params) != want[1] || err != nil {
			t.Errorf("line %d is %s %s, %v; want %s", i, id, params, err, want)
		}
	}
	if want := map[string]Sum{"m": {1, 92 / 4, 7}, "n": {1, 45 / 4, 8}, "d": {1, 91 / 4, 9}}; !reflect.DeepEqual(d.Sums, want) {
		t.Errorf("sums are %v, want %v", d.Sums, want)
	}
	var sent bytes.Buffer
	id := func(i int) string { return customID("run", 0, i) }
	n, err := sent.ReadFrom(p.body([]int{0, 2}, id))
	if length, _ := p.length([]int{0, 2}, id); err != nil || length != n || !json.Valid(sent.Bytes()) {
		t.Errorf("the body of %d bytes, said to be %d: %v, %s", n, length, err, &sent)
	}
}
