package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"afteryou/hook"
	"afteryou/internal/claude"
	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/organization"
	"afteryou/internal/probe"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// standing is what limits tells. It is what --json prints.
type standing struct {
	Account string         `json:"account"` // whose limits: the base URL and the kind of credential
	Model   string         `json:"model"`
	At      time.Time      `json:"at"`
	Limits  []rateReport   `json:"limits"`
	Windows []windowReport `json:"windows"` // of a subscription
	Limited *limitedReport `json:"limited"` // null: the API answers
	// Organization is what the Rate Limits API told, today or before; there only with an admin key.
	Organization *organization.Told `json:"organization,omitempty"`
	// Known is the pace of the sessions at this limit, as they know it; null: they met none.
	Known *memoryReport `json:"known,omitempty"`
}

type rateReport struct {
	Name      string  `json:"name"`
	Limit     float64 `json:"limit"` // per minute
	Remaining float64 `json:"remaining"`
	*reset
}

type limitedReport struct {
	Why     string    `json:"why"`
	Message string    `json:"message,omitempty"`
	Waiting bool      `json:"waiting_helps"`
	Shared  bool      `json:"shared"` // the sessions of the same account wait for it
	Until   time.Time `json:"until,omitzero"`
	Seconds float64   `json:"seconds,omitempty"` // until then
}

// reset is when a limit is whole again; nil where nothing says so.
type reset struct {
	At time.Time `json:"resets_at"`
	In float64   `json:"resets_in_seconds"`
}

func limitsCommand() command {
	var model string
	var asJSON bool
	return command{
		name: "limits", args: "[--model MODEL] [--json]", summary: "ask the API how its limits stand",
		about: "One request, the smallest there is, with the key or token of the environment or of your Claude Code settings. " +
			"It asks for Claude Code's cheapest model unless told otherwise; each class of models has limits of its own. " +
			"Where it is limited, your sessions wait until that is over, and the exit code is 75. " +
			"With an admin key (ANTHROPIC_ADMIN_KEY, or the setting admin_key_file) the organization's limits are asked for too, once a day.",
		example: "afteryou limits --json",
		options: []option{text(&model, "model", "MODEL", "ask for the limits of this model, named as the API does"), jsonToggle(&asJSON)},
		run:     func(c call) (int, error) { return askLimits(c, model, asJSON) },
	}
}

// askLimits asks the API how its limits stand, and lets the sessions wait where it is limited.
func askLimits(c call, model string, asJSON bool) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	getenv := claude.WithSettings(hook.Direct(os.Getenv))
	account, secret := claude.PoolKey(getenv)
	answer, err := probe.Ask(ctx, getenv, cmp.Or(model, probe.Model(getenv)), userAgent())
	r, code := standingOf(account, answer), 0
	if errors.Is(err, probe.ErrNoCredential) {
		r, err = knownOf(account, secret, err)
	}
	if err != nil {
		return exitFailure, withHint(err, account)
	}
	r.Known = known(account, secret, answer.Model)
	if r.Limited != nil {
		code = exitLimited
	}
	if until := answer.Until(); !until.IsZero() || len(answer.Windows) > 0 {
		if err := share(ctx, secret, answer, until, &r); err != nil {
			c.say(err) // the answer is worth printing all the same
		}
	}
	told, ok, err := organizationOf(ctx, secret, getenv)
	if err != nil {
		c.say(err)
	}
	if ok {
		r.Organization = &told
	}
	if asJSON {
		return code, c.json(r)
	}
	if err := r.write(c.text()); err != nil || !ok {
		return code, err
	}
	return code, writeOrganization(c.text(), told, time.Now())
}

// known is what the sessions know of the limit of a model; nil: nothing, or it can't be read.
func known(account, secret, model string) *memoryReport {
	store, err := lockfile.Open(stateDir())
	if err != nil {
		return nil
	}
	s, err := snapshot(store)
	if err != nil {
		return nil
	}
	id, now := s.AccountID(secret), time.Now()
	for _, class := range []string{limit.Class(model), ""} {
		if p := s.Account(id).Class(class).Pace; p.Rate > 0 {
			return &memoryReport{id, account, p.Rate * 60, sourceOf(p, now)}
		}
	}
	return nil
}

// withHint adds to an error of asking what the person can do.
func withHint(err error, account string) error {
	var refused *probe.RefusedError
	switch {
	case errors.Is(err, probe.ErrNoCredential):
		return fmt.Errorf("%w\nhint: set ANTHROPIC_API_KEY; for a subscription, put what claude setup-token prints into CLAUDE_CODE_OAUTH_TOKEN", err)
	case errors.As(err, &refused) && refused.Status == 401:
		return fmt.Errorf("%w\nhint: the key or token is not valid for %s", err, account)
	case errors.As(err, &refused) && refused.Status == 404:
		return fmt.Errorf("%w\nhint: --model takes a name as the API knows it, such as %s", err, probe.Model(func(string) string { return "" }))
	}
	return err
}

// knownOf is what the sessions of the account were told of its windows, where nobody can ask. Nothing was: that is err.
func knownOf(account, secret string, err error) (r standing, _ error) {
	store, failed := lockfile.Open(stateDir())
	if failed != nil {
		return r, err
	}
	s, failed := snapshot(store)
	if failed != nil {
		return r, err
	}
	now := time.Now()
	a := s.Account(s.AccountID(secret))
	r = standing{Account: account, At: now.UTC().Truncate(time.Second), Limits: []rateReport{}, Windows: windowsOf(a, now)}
	if len(r.Windows) == 0 {
		return r, err
	}
	if until := a.Spent(now, 1); !until.IsZero() {
		r.Limited = &limitedReport{Why: turn.UsageLimit, Waiting: true, Until: until, Seconds: until.Sub(now).Seconds()}
	}
	return r, nil
}

// share lets the sessions of the account know what the API said: until when they wait, those that hooks make take turns, and those that
// call the same class of models elsewhere; and how much is used of the windows. It notes in r what came of it.
func share(ctx context.Context, secret string, a probe.Answer, until time.Time, r *standing) error {
	store, err := lockfile.Open(stateDir())
	if err != nil {
		return err
	}
	v, err := line.Change(ctx, store, nil, func(now time.Time, s *turn.State) {
		shared := s.Open(s.AccountID(secret))
		shared.Name = r.Account
		for _, class := range []string{"", limit.Class(a.Model)} {
			if !until.IsZero() && (class == "" || shared.Classes[class] != nil) {
				shared.Limited(now, class, until, a.Limit.Kind.String())
				r.Limited.Shared = true
			}
		}
		for i, w := range a.Windows {
			shared.Windowed(now, a.At, []turn.Told{{Name: w.Name, Used: w.Used, ResetsAt: w.ResetsAt}})
			if known, ok := shared.Window(now, w.Name); ok {
				r.Windows[i].UsedUp = known.UsedUp()
			}
		}
	})
	v.Close()
	return err
}

func standingOf(account string, a probe.Answer) standing {
	r := standing{Account: account, Model: a.Model, At: a.At.UTC().Truncate(time.Second), Limits: []rateReport{}, Windows: []windowReport{}}
	at := func(t time.Time) *reset {
		if t.IsZero() {
			return nil
		}
		return &reset{t.UTC().Truncate(time.Second), max(0, t.Sub(a.At).Seconds())}
	}
	for _, l := range a.Rates {
		r.Limits = append(r.Limits, rateReport{l.Name, l.Limit, l.Remaining, at(l.ResetsAt)})
	}
	for _, w := range a.Windows {
		r.Windows = append(r.Windows, windowReport{Name: w.Name, Status: w.Status, Used: w.Used, reset: at(w.ResetsAt)})
	}
	if l := a.Limit; l.Kind != ratelimit.None {
		r.Limited = &limitedReport{Why: l.Kind.String(), Message: l.Message, Waiting: l.Wait}
		if z := at(a.Until()); z != nil {
			r.Limited.Until, r.Limited.Seconds = z.At, z.In
		}
	}
	return r
}

func (r standing) write(out io.Writer) error {
	fmt.Fprintf(out, "account    %s\n", printable(r.Account))
	if r.Model != "" {
		fmt.Fprintf(out, "model      %s\n", printable(r.Model))
	} else {
		fmt.Fprintln(out, "asked      nothing, for there is no API key or token to ask with: this is what your sessions were told")
	}
	switch l := r.Limited; {
	case l == nil:
		fmt.Fprintln(out, "limited    no")
	case !l.Waiting:
		fmt.Fprintf(out, "limited    %s: %s\n", l.Why, printable(cmp.Or(l.Message, "waiting does not lift it")))
	case l.Until.IsZero():
		fmt.Fprintf(out, "limited    %s, and nothing says until when\n", l.Why)
	default:
		shared := ""
		if l.Shared {
			shared = "; your sessions wait for it"
		}
		fmt.Fprintf(out, "limited    %s until %s, in %s%s\n", l.Why, clock(l.Until, r.At), span(l.Seconds), shared)
	}
	if k := r.Known; k != nil {
		fmt.Fprintf(out, "pace       %.3g calls a minute, %v\n", k.Rate, k.From)
	}
	if len(r.Limits)+len(r.Windows) == 0 {
		fmt.Fprintln(out, "limits     the API tells none")
		return nil
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "LIMIT\tPER MINUTE\tREMAINING\tRESETS")
	resets := func(z *reset) string {
		if z == nil {
			return ""
		}
		return clock(z.At, r.At) + ", in " + span(z.In)
	}
	usedUp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return "; at this pace used up " + clock(t, r.At)
	}
	for _, l := range r.Limits {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\n", printable(strings.ReplaceAll(l.Name, "-", " ")), l.Limit, l.Remaining, resets(l.reset))
	}
	status := func(said string) string {
		if said == "" {
			return ""
		}
		return ", " + printable(strings.ReplaceAll(said, "_", " "))
	}
	for _, w := range r.Windows {
		fmt.Fprintf(t, "%s window\t\t%.0f %%%s\t%s%s\n", printable(w.Name), 100*max(0, 1-w.Used), status(w.Status), resets(w.reset), usedUp(w.UsedUp))
	}
	return t.Flush()
}
