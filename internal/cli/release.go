package cli

import (
	"fmt"
	"runtime/debug"
)

// What a release's build writes into the binary (.goreleaser.yaml); empty in any other.
var releaseVersion, releaseCommit, releaseDate string

// version is which afteryou this is.
func version() string {
	if releaseVersion != "" {
		return fmt.Sprintf("%s (%s, %s)", releaseVersion, releaseCommit, releaseDate)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
