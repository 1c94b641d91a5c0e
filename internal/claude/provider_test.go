package claude

import (
	"testing"
)

// A request counts to the account of a session that has its credential in the environment, whatever the environment of the program
// that sends it.
func TestARequestCountsToItsAccount(t *testing.T) {
	const login, session = "Bearer sk-ant-oat01-x", "X-Claude-Code-Session-Id"
	for name, c := range map[string]struct {
		env    map[string]string // of the program
		header map[string]string
		path   string
		as     map[string]string // the environment of that session
	}{
		"no credential":                     {env: map[string]string{"ANTHROPIC_API_KEY": "k"}, as: map[string]string{"ANTHROPIC_API_KEY": "k"}},
		"its own key":                       {env: map[string]string{"ANTHROPIC_API_KEY": "k"}, header: map[string]string{"X-Api-Key": "k"}, as: map[string]string{"ANTHROPIC_API_KEY": "k"}},
		"another key":                       {env: map[string]string{"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"}, header: map[string]string{"X-Api-Key": "other"}, as: map[string]string{"ANTHROPIC_API_KEY": "other"}},
		"a key as a token":                  {env: map[string]string{"ANTHROPIC_API_KEY": "k"}, header: map[string]string{"Authorization": "Bearer k"}, as: map[string]string{"ANTHROPIC_API_KEY": "k"}},
		"another key as a token":            {header: map[string]string{"Authorization": "Bearer sk-ant-api03-x"}, as: map[string]string{"ANTHROPIC_API_KEY": "sk-ant-api03-x"}},
		"a token":                           {env: map[string]string{"ANTHROPIC_API_KEY": "k"}, header: map[string]string{"Authorization": "Bearer t"}, as: map[string]string{"ANTHROPIC_AUTH_TOKEN": "t"}},
		"both, as Claude Code":              {header: map[string]string{"X-Api-Key": "k", "Authorization": "Bearer t"}, as: map[string]string{"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"}},
		"a login's token of the setup":      {env: map[string]string{"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-x"}, header: map[string]string{"Authorization": login, session: "s"}, as: map[string]string{"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-x"}},
		"a login of Claude Code":            {header: map[string]string{"Authorization": login, session: "s"}, as: map[string]string{}},
		"a script's token":                  {header: map[string]string{"Authorization": login}, as: map[string]string{"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-x"}},
		"another server":                    {env: map[string]string{"ANTHROPIC_BASE_URL": "http://llm.example/"}, header: map[string]string{"X-Api-Key": "k"}, as: map[string]string{"ANTHROPIC_BASE_URL": "http://llm.example", "ANTHROPIC_API_KEY": "k"}},
		"Vertex AI, of its path":            {env: map[string]string{"CLOUD_ML_REGION": "global"}, path: "/v1/projects/p/locations/us-east5/publishers/anthropic/models/m:rawPredict", as: map[string]string{"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "us-east5", "ANTHROPIC_VERTEX_PROJECT_ID": "p"}},
		"Vertex AI, whatever stands there":  {env: map[string]string{"CLOUD_ML_REGION": "us-east5"}, path: "/v1/projects/p/locations/evil.example%2f/publishers/m:rawPredict", as: map[string]string{"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "us-east5", "ANTHROPIC_VERTEX_PROJECT_ID": "p"}},
		"Foundry, of its key":               {env: map[string]string{"ANTHROPIC_FOUNDRY_RESOURCE": "r"}, header: map[string]string{"Api-Key": "f"}, as: map[string]string{"CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_BASE_URL": "https://r.services.ai.azure.com/anthropic/", "ANTHROPIC_FOUNDRY_API_KEY": "f"}},
		"Bedrock, of its token":             {env: map[string]string{"AWS_REGION": "eu-west-1"}, header: map[string]string{"Authorization": "Bearer b"}, as: map[string]string{"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1", BedrockToken: "b"}},
		"the API, where Claude Code is not": {env: map[string]string{"CLAUDE_CODE_USE_VERTEX": "1"}, header: map[string]string{"X-Api-Key": "k"}, path: "/v1/messages", as: map[string]string{"ANTHROPIC_API_KEY": "k"}},
	} {
		as := func(name string) string { return c.as[name] }
		p := ProviderOf(as)
		_, got := PoolKey(p.Of(func(name string) string { return c.env[name] }, func(name string) string { return c.header[name] }, c.path))
		if _, want := PoolKey(as); got != want {
			t.Errorf("%s: it counts to %q, want %q", name, got, want)
		}
	}
}

func TestWhereRequestsGo(t *testing.T) {
	vertex := Providers()[1]
	for region, want := range map[string]string{
		"": "https://aiplatform.googleapis.com/v1", "global": "https://aiplatform.googleapis.com/v1", "eu": "https://aiplatform.eu.rep.googleapis.com/v1",
		"us-east5": "https://us-east5-aiplatform.googleapis.com/v1",
	} {
		if got := vertex.URL(func(name string) string { return map[string]string{vertexRegion: region}[name] }); got != want {
			t.Errorf("%q: %s, want %s", region, got, want)
		}
	}
	if got := vertex.URL(func(name string) string { return map[string]string{vertex.URLEnv: "http://llm.example/"}[name] }); got != "http://llm.example" {
		t.Errorf("another: %s", got)
	}
}
