package cli

import (
	"cmp"
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
	version, commit := cmp.Or(info.Main.Version, "(devel)"), ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value[:min(12, len(s.Value))]
		}
	}
	if strings.Contains(version, commit) { // as one does that is made of it
		return version
	}
	return fmt.Sprintf("%s (%s)", version, commit)
}
