package cli

import (
	"fmt"
	"runtime/debug"
	"strings"
)

// What a release's build writes into the binary (.goreleaser.yaml); empty in any other.
var releaseVersion, releaseCommit, releaseDate string

// version is which afteryou this is. That of a checkout has its commit, if the build could tell it.
func version() string {
	if releaseVersion != "" {
		return fmt.Sprintf("%s (%s, %s)", releaseVersion, releaseCommit, releaseDate)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	is := make(map[string]string)
	for _, s := range info.Settings {
		is[s.Key] = s.Value
	}
	version, commit := info.Main.Version, is["vcs.revision"]
	if version == "" {
		version = "(devel)"
	}
	commit = commit[:min(12, len(commit))]
	if strings.Contains(version, commit) { // as a version does that is made of it
		return version
	}
	if is["vcs.modified"] == "true" {
		commit += ", changed"
	}
	return fmt.Sprintf("%s (%s)", version, commit)
}
