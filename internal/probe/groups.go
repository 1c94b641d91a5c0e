package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"afteryou/internal/claude"
	"afteryou/internal/limit"
)

// mostPages bounds how many pages of limits are asked for: there was never more than one.
const mostPages = 10

// Groups asks for the limits of the organization, and which models share them, with an admin key. That goes to the API itself, or to a
// server on this machine, and nowhere else: a base URL of a gateway is not told of it.
func Groups(ctx context.Context, getenv func(string) string, key, agent string) (groups limit.Groups, source string, err error) {
	source = cmp.Or(strings.TrimRight(getenv("ANTHROPIC_BASE_URL"), "/"), claude.APIURL)
	if !local(source) {
		source = claude.APIURL
	}
	with := func(name string) string {
		if name == adminKey {
			return key
		}
		return getenv(name)
	}
	client, err := Client(getenv)
	if err != nil {
		return nil, "", err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	page := ""
	for range mostPages {
		query := url.Values{"group_type": {"model_group"}}
		if page != "" {
			query.Set("page", page)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, source+"/v1/organizations/rate_limits?"+query.Encode(), nil)
		if err != nil {
			return nil, "", errors.New("the base URL is none")
		}
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("Anthropic-Version", "2023-06-01")
		r.Header.Set("User-Agent", agent)
		resp, err := client.Do(r)
		if err != nil {
			return nil, "", fmt.Errorf("asking for the organization's limits: %s", Failure(err, with))
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		resp.Body.Close()
		switch {
		case err != nil:
			return nil, "", fmt.Errorf("asking for the organization's limits: %s", Failure(err, with))
		case resp.StatusCode != http.StatusOK:
			return nil, "", fmt.Errorf("asking for the organization's limits: %w", &RefusedError{resp.StatusCode, Message(body, with)})
		}
		var more limit.Groups
		if more, page, err = readGroups(body); err != nil {
			return nil, "", fmt.Errorf("asking for the organization's limits: %w", err)
		}
		if groups = append(groups, more...); page == "" {
			break
		}
	}
	return groups, source, nil
}

// adminKey is the variable with an admin key.
const adminKey = "ANTHROPIC_ADMIN_KEY"

// local reports whether a base URL leads to this machine.
func local(base string) bool {
	u, err := url.Parse(base)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// readGroups reads an answer of the Rate Limits API (docs, 2026-09). What it does not know, it passes over.
func readGroups(body []byte) (groups limit.Groups, next string, err error) {
	var list struct {
		Data []struct {
			Models []string
			Limits []struct {
				Type  string
				Value float64
			}
		}
		Next *string `json:"next_page"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, "", errors.New("the answer is no list of limits")
	}
	for _, one := range list.Data {
		var g limit.Group
		for _, m := range one.Models {
			g.Models = append(g.Models, strings.ToLower(m))
		}
		for _, l := range one.Limits {
			to := map[string]*float64{"requests_per_minute": &g.Requests, "input_tokens_per_minute": &g.Input, "output_tokens_per_minute": &g.Output}[l.Type]
			if to != nil && limit.Within(l.Value, 1, limit.MostLimit) {
				*to = l.Value
			}
		}
		if len(g.Models) > 0 {
			slices.Sort(g.Models)
			groups = append(groups, g)
		}
	}
	if list.Next != nil {
		next = *list.Next
	}
	return groups, next, nil
}
