package claude

import (
	"cmp"
	"strings"
)

// Provider is who serves models by the Messages API, or by a packing of it.
type Provider struct {
	Name   string // as people are told it; "": Anthropic
	Switch string // the variable that has Claude Code ask it; "": it is asked where no switch is on
	URLEnv string // the variable that names another base URL than its own
	// own returns its own base URL; "" where the environment does not tell it.
	own func(getenv func(string) string) string
	// mark is a variable that programs need which ask it.
	mark string
	// account lists what tells accounts apart beside the base URL.
	account []string
}

const (
	// BedrockToken is the credential of requests to Amazon Bedrock that are not signed.
	BedrockToken = "AWS_BEARER_TOKEN_BEDROCK"
	// FoundryResource names an address at Microsoft. The SDKs refuse it beside a base URL, which FoundryURLEnv names.
	FoundryResource = "ANTHROPIC_FOUNDRY_RESOURCE"
	FoundryURLEnv   = "ANTHROPIC_FOUNDRY_BASE_URL"

	foundryKey    = "ANTHROPIC_FOUNDRY_API_KEY"
	vertexProject = "ANTHROPIC_VERTEX_PROJECT_ID"
	vertexRegion  = "CLOUD_ML_REGION"
)

// Providers are those whose requests a gateway can hold. Claude Code asks the first whose switch is on.
func Providers() []Provider {
	return []Provider{
		{Name: "Amazon Bedrock", Switch: "CLAUDE_CODE_USE_BEDROCK", URLEnv: "ANTHROPIC_BEDROCK_BASE_URL", own: bedrockURL, mark: BedrockToken,
			account: []string{"AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", BedrockToken}},
		{Name: "Google Vertex AI", Switch: "CLAUDE_CODE_USE_VERTEX", URLEnv: "ANTHROPIC_VERTEX_BASE_URL", own: vertexURL, mark: vertexProject,
			account: []string{vertexRegion, vertexProject, "GOOGLE_APPLICATION_CREDENTIALS"}},
		{Name: "Microsoft Foundry", Switch: "CLAUDE_CODE_USE_FOUNDRY", URLEnv: FoundryURLEnv, own: foundryURL, mark: FoundryResource,
			account: []string{foundryKey}},
		{URLEnv: "ANTHROPIC_BASE_URL", own: func(func(string) string) string { return APIURL }},
	}
}

func bedrockURL(getenv func(string) string) string {
	return "https://bedrock-runtime." + cmp.Or(getenv("AWS_REGION"), "us-east-1") + ".amazonaws.com"
}

// vertexURL is that of the region, as the SDKs have it.
func vertexURL(getenv func(string) string) string {
	switch region := getenv(vertexRegion); region {
	case "", "global":
		return "https://aiplatform.googleapis.com/v1"
	case "us", "eu":
		return "https://aiplatform." + region + ".rep.googleapis.com/v1"
	default:
		return "https://" + region + "-aiplatform.googleapis.com/v1"
	}
}

func foundryURL(getenv func(string) string) string {
	if resource := getenv(FoundryResource); resource != "" {
		return "https://" + resource + ".services.ai.azure.com/anthropic"
	}
	return ""
}

// ProviderOf returns whom Claude Code asks with this environment.
func ProviderOf(getenv func(string) string) (p Provider) {
	for _, p = range Providers() {
		if isOn(getenv(p.Switch)) {
			break
		}
	}
	return p
}

// URL returns the base URL that is asked, without a slash at its end; "" where the environment does not tell it.
func (p Provider) URL(getenv func(string) string) string {
	return cmp.Or(strings.TrimRight(getenv(p.URLEnv), "/"), p.own(getenv))
}

// Used reports whether an environment is made for programs that ask the provider.
func (p Provider) Used(getenv func(string) string) bool {
	return p.Switch == "" || isOn(getenv(p.Switch)) || getenv(p.URLEnv) != "" || getenv(p.mark) != ""
}

// Signed reports whether requests to the provider are signed for its address, so that none can go by another.
func (p Provider) Signed(getenv func(string) string) bool {
	return p.mark == BedrockToken && getenv(BedrockToken) == ""
}

// Of returns the environment of a program whose own request to the provider is the one with this header and path: credential,
// project and region are those of the request, where it has them.
func (p Provider) Of(getenv, header func(string) string, path string) func(string) string {
	is := make(map[string]string)
	for _, other := range Providers() {
		is[other.Switch] = ""
	}
	key := header("X-Api-Key")
	token, _ := strings.CutPrefix(header("Authorization"), "Bearer ")
	switch p.Switch {
	case "":
		if key+token == "" {
			break
		}
		for _, name := range []string{"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", AccountEnv} {
			is[name] = ""
		}
		is["ANTHROPIC_API_KEY"] = key
		switch login := Account(getenv) == "" && header("X-Claude-Code-Session-Id") != ""; {
		case token == "":
		case token == getenv("ANTHROPIC_API_KEY") || strings.HasPrefix(token, "sk-ant-api"): // of the SDK for TypeScript (1.14)
			is["ANTHROPIC_API_KEY"] = token
		case token == getenv("ANTHROPIC_AUTH_TOKEN") || !strings.HasPrefix(token, "sk-ant-oat"):
			is["ANTHROPIC_AUTH_TOKEN"] = token
		case !login: // whose token Claude Code renews: the login's directory names the account (see PoolKey)
			is["CLAUDE_CODE_OAUTH_TOKEN"] = token
		}
	case "CLAUDE_CODE_USE_FOUNDRY":
		is[foundryKey] = cmp.Or(header("Api-Key"), key, getenv(foundryKey))
	case "CLAUDE_CODE_USE_BEDROCK":
		is[BedrockToken] = cmp.Or(token, getenv(BedrockToken))
	case "CLAUDE_CODE_USE_VERTEX": // whose tokens are new every hour
		is[vertexProject], is[vertexRegion] = cmp.Or(part(path, "projects"), getenv(vertexProject)), cmp.Or(part(path, "locations"), getenv(vertexRegion))
	}
	is[p.Switch] = "1"
	return func(name string) string {
		if value, ok := is[name]; ok {
			return value
		}
		return getenv(name)
	}
}

// part returns what stands behind a name in a path, if it is what names of projects and regions are made of.
func part(path, name string) string {
	_, rest, _ := strings.Cut(path, "/"+name+"/")
	rest, _, _ = strings.Cut(rest, "/")
	if strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return rest
}
