package claude

import "strings"

// defaultURL is where Claude Code sends its requests unless told otherwise.
const defaultURL = "https://api.anthropic.com"

// PoolKey tells who pays for a session with this environment: where it sends its requests, and as whom. visible may be
// shown; secret is material for a keyed hash, and is not to be stored. The order is Claude Code's own.
//
// No credential file is read: a login is known by the directory that holds it. What the user's settings files say
// (apiKeyHelper, env) is not seen.
func PoolKey(getenv func(string) string) (visible, secret string) {
	is := func(name string) bool {
		switch strings.ToLower(strings.TrimSpace(getenv(name))) {
		case "1", "true", "yes", "on":
			return true
		}
		return false
	}
	key := func(visible string, parts ...string) (string, string) {
		return visible, strings.Join(append([]string{visible}, parts...), "\x00")
	}
	switch {
	case is("CLAUDE_CODE_USE_BEDROCK"):
		return key("Amazon Bedrock", getenv("ANTHROPIC_BEDROCK_BASE_URL"), getenv("AWS_REGION"), getenv("AWS_PROFILE"),
			getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_BEARER_TOKEN_BEDROCK"))
	case is("CLAUDE_CODE_USE_VERTEX"):
		return key("Google Vertex AI", getenv("ANTHROPIC_VERTEX_BASE_URL"), getenv("CLOUD_ML_REGION"),
			getenv("ANTHROPIC_VERTEX_PROJECT_ID"), getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	case is("CLAUDE_CODE_USE_FOUNDRY"):
		return key("Microsoft Foundry", getenv("ANTHROPIC_FOUNDRY_BASE_URL"), getenv("ANTHROPIC_FOUNDRY_RESOURCE"),
			getenv("ANTHROPIC_FOUNDRY_API_KEY"))
	}
	url := strings.TrimRight(getenv("ANTHROPIC_BASE_URL"), "/")
	if url == "" {
		url = defaultURL
	}
	shown := withoutSecrets(url)
	if token := getenv("ANTHROPIC_AUTH_TOKEN"); token != "" {
		return key(shown+", auth token", url, token)
	}
	if k := getenv("ANTHROPIC_API_KEY"); k != "" {
		return key(shown+", API key", url, k)
	}
	if token := getenv("CLAUDE_CODE_OAUTH_TOKEN"); token != "" {
		return key(shown+", claude.ai token", url, token)
	}
	dir, short := getenv("CLAUDE_CONFIG_DIR"), getenv("CLAUDE_CONFIG_DIR")
	if dir == "" {
		dir, short = getenv("HOME")+"/.claude", "~/.claude"
	}
	visible = "login of " + short
	if url != defaultURL {
		visible = shown + ", " + visible
	}
	return key(visible, url, dir)
}

// withoutSecrets is url without the parts that may carry a credential.
func withoutSecrets(url string) string {
	url, _, _ = strings.Cut(url, "?")
	url, _, _ = strings.Cut(url, "#")
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		scheme, rest = "", url
	}
	host, path, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if path != "" {
		host += "/" + path
	}
	if scheme != "" {
		host = scheme + "://" + host
	}
	return host
}
