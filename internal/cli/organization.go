package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/line"
	"afteryou/internal/organization"
	"afteryou/internal/probe"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// maxKey bounds what is read of a file with a key, in bytes.
const maxKey = 4 << 10

// adminKey is the key for the Rate Limits API, of the environment or the file that a setting names; "": there is none.
func adminKey() (string, error) {
	s, err := loadSettings()
	if err != nil {
		return "", err
	}
	if key := os.Getenv("ANTHROPIC_ADMIN_KEY"); key != "" || s.AdminKeyFile == "" {
		return key, nil
	}
	f, err := os.Open(s.AdminKeyFile)
	if err != nil {
		return "", fmt.Errorf("reading the admin key: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKey))
	if err != nil {
		return "", fmt.Errorf("reading the admin key: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// organizationOf is what is kept of the limits of the organization that pays for an account. Where there is a key, and it was not asked
// for today, the API is asked. An error says why it was not; what is kept is returned all the same.
func organizationOf(ctx context.Context, secret string, getenv func(string) string) (told organization.Told, ok bool, err error) {
	key, err := adminKey()
	store, failed := lockfile.Open(stateDir())
	if failed != nil {
		return told, false, cmp.Or(err, failed)
	}
	if key == "" {
		told, ok = keptOf(store, secret)
		return told, ok, err
	}
	var id string
	v, err := line.Change(ctx, store, nil, func(_ time.Time, s *turn.State) { id = s.AccountID(secret) })
	v.Close()
	if err != nil {
		return told, false, err
	}
	now := time.Now()
	if told, ok = organization.Read(store.Dir(), id, now); ok && told.Fresh(now) {
		return told, true, nil
	}
	groups, source, err := probe.Groups(ctx, getenv, key, userAgent())
	var refused *probe.RefusedError
	if errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403) {
		err = fmt.Errorf("%w\nhint: it takes an admin key of the organization, in ANTHROPIC_ADMIN_KEY or the file that admin_key_file names", err)
	}
	if err != nil {
		return told, ok, err
	}
	told = organization.Told{Source: source, At: now.UTC().Truncate(time.Second), Groups: groups}
	return told, true, told.Write(store.Dir(), id)
}

// keptOf is what is kept for an account, without asking anybody.
func keptOf(store *lockfile.Store, secret string) (told organization.Told, ok bool) {
	s, err := snapshot(store)
	if err != nil {
		return told, false
	}
	return organization.Read(store.Dir(), s.AccountID(secret), time.Now())
}

// groupsOf are the groups of models that are kept for an account; none, where nothing is.
func groupsOf(store *lockfile.Store, pool func() (name, secret string)) limit.Groups {
	_, secret := pool()
	told, _ := keptOf(store, secret)
	return told.Groups
}

// writeOrganization shows which models share a limit, and how much it is.
func writeOrganization(out io.Writer, told organization.Told, now time.Time) error {
	fmt.Fprintf(out, "\norganization's limits, by %s, %s ago\n", printable(told.Source), span(max(0, now.Sub(told.At).Seconds())))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REQUESTS\tINPUT TOKENS\tOUTPUT TOKENS\tA MINUTE, FOR ALL OF")
	number := func(n float64) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f", n)
	}
	for _, g := range told.Groups {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", number(g.Requests), number(g.Input), number(g.Output), printable(strings.Join(g.Models, " ")))
	}
	return t.Flush()
}
