package claude

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// APIURL is the base URL of Claude Code's requests unless it is told another.
const APIURL = "https://api.anthropic.com"

// PoolKey returns who pays for a session with this environment: its base URL and its credential. visible may be shown;
// secret is material for a keyed hash, and is not to be stored. The order is Claude Code's own.
//
// No credential file is read: a login is known by the directory that holds it. What the user's settings files say
// (apiKeyHelper, env) is not seen.
func PoolKey(getenv func(string) string) (visible, secret string) {
	key := func(visible string, parts ...string) (string, string) {
		return visible, strings.Join(append([]string{visible}, parts...), "\x00")
	}
	p := ProviderOf(getenv)
	url := p.URL(getenv)
	if p.Name != "" {
		parts := []string{url}
		for _, name := range p.account {
			parts = append(parts, getenv(name))
		}
		return key(p.Name, parts...)
	}
	shown := withoutSecrets(url)
	if token := getenv("ANTHROPIC_AUTH_TOKEN"); token != "" {
		return key(shown+", auth token", url, token)
	}
	if k := getenv("ANTHROPIC_API_KEY"); k != "" {
		return key(shown+", API key", url, k)
	}
	if account := Account(getenv); account != "" {
		return key(shown+", claude.ai token", url, account)
	}
	visible = "login of " + cmp.Or(getenv("CLAUDE_CONFIG_DIR"), "~/.claude")
	if url != APIURL {
		visible = shown + ", " + visible
	}
	return key(visible, url, ConfigDir(getenv))
}

// Elsewhere returns the variable that sends the session's calls elsewhere than to a base URL of the Messages API, to a
// cloud's own or into a socket (2.1.330); "" where none does.
func Elsewhere(getenv func(string) string) string {
	for _, name := range [...]string{"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_MANTLE", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
		"CLAUDE_CODE_USE_ANTHROPIC_AWS", "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD", "CLAUDE_CODE_USE_GATEWAY"} {
		if isOn(getenv(name)) {
			return name
		}
	}
	if socket := "ANTHROPIC_UNIX_SOCKET"; getenv(socket) != "" {
		return socket
	}
	return ""
}

// AccountEnv tells hooks which token a session runs on: Claude Code gives them its API key, and not its token (2.1.330).
const AccountEnv = "AFTERYOU_ACCOUNT"

// Account returns a hash of the session's token, made here or found in AccountEnv, where a launcher put it. It is empty
// where there is no token.
func Account(getenv func(string) string) string {
	token := getenv("CLAUDE_CODE_OAUTH_TOKEN")
	if token == "" {
		return getenv(AccountEnv)
	}
	sum := sha256.Sum256([]byte("afteryou account\x00" + token))
	return hex.EncodeToString(sum[:8])
}

// Unattended reports whether nobody sits before the session of a hook: -p and the SDKs (2.1.330).
func Unattended(getenv func(string) string) bool {
	return unattended(getenv("CLAUDE_CODE_ENTRYPOINT"))
}

// unattended reports the same of the entrypoint that a row names.
func unattended(entrypoint string) bool { return strings.HasPrefix(entrypoint, "sdk-") }

// withoutSecrets returns url without the parts that may carry a credential: user, query and fragment.
func withoutSecrets(url string) string {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "#")
	scheme, rest, ok := strings.Cut(url, "://")
	if scheme += "://"; !ok {
		scheme, rest = "", url
	}
	host, path, _ := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if path != "" {
		host += "/" + path
	}
	return scheme + host
}
