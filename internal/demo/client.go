package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"afteryou/internal/realclaude"
)

// clientModel is the model that Claude Code asks by default (2.1.332): so all share one limit.
const clientModel = "claude-opus-5-5"

// clientScript asks as a session does, by the SDK for TypeScript: so many calls, one after the other. The first error ends it.
const clientScript = `import Anthropic from %q
const client = new Anthropic()
let said
for (let i = 0; i < %d; i++) {
  said = await client.messages.create({
    model: %q, max_tokens: 1024, metadata: { user_id: 'client_session_' + process.argv[2] },
    messages: [{ role: 'user', content: %q }],
  })
}
console.log(said.content[0].text)
`

// clients makes the sessions from the nth on programs on the SDK for TypeScript, which call as often.
func (r *race) clients(ctx context.Context, dir string, sessions []realclaude.Session) error {
	if r.Clients == 0 {
		return nil
	}
	sdk, err := realclaude.InstallClient(ctx)
	if err != nil {
		return err
	}
	script := filepath.Join(dir, "client.mjs")
	if err := os.WriteFile(script, fmt.Appendf(nil, clientScript, sdk, r.Calls, clientModel, Prompt), 0o600); err != nil {
		return fmt.Errorf("writing the clients' script: %w", err)
	}
	for i := len(sessions) - r.Clients; i < len(sessions); i++ {
		sessions[i].Path, sessions[i].Args = r.way.Client[0], append(r.way.Client[1:len(r.way.Client):len(r.way.Client)], script)
	}
	return nil
}

// client runs such a program.
func client(ctx context.Context, one realclaude.Session, id string) (o Outcome) {
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, one.Path, append(one.Args, id)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = one.Env, one.Dir, &out, &errs
	err := cmd.Run()
	if err != nil || strings.TrimSpace(out.String()) != Finished {
		o.Err = fmt.Errorf("a client ends with %v, %s", err, strings.TrimSpace(out.String()))
	}
	o.Code = realclaude.ExitCode(cmd.ProcessState)
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "Error: ") {
			o.Says = append(o.Says, line)
		}
	}
	return o
}
