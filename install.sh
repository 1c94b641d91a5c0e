#!/bin/sh
# Installs afteryou for the user who runs it, or removes it again.
#
#   ./install.sh              build from this checkout into ~/.local/bin, and print the alias
#   ./install.sh --uninstall  remove the binary and the shared state
#
# PREFIX=DIR installs into DIR/bin.
set -eu

main() {
	bin=${PREFIX:-$HOME/.local}/bin
	state=${XDG_STATE_HOME:-$HOME/.local/state}/afteryou
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/afteryou
	case ${1-} in
	'') install ;;
	--uninstall) uninstall ;;
	-h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0" ;;
	*)
		echo "install.sh: no option is called $1; there is --uninstall" >&2
		exit 64
		;;
	esac
}

install() {
	here=$(cd "$(dirname "$0")" && pwd)
	if ! command -v go >/dev/null; then
		echo "install.sh: building needs Go 1.26 or later: https://go.dev/dl" >&2
		exit 1
	fi
	mkdir -p "$bin"
	# Built beside its place and renamed, so that a running session keeps its file.
	(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$bin/afteryou.new" .)
	mv "$bin/afteryou.new" "$bin/afteryou"
	echo "installed $bin/afteryou"
	echo
	echo "To use it for every session, add this line to your shell's start-up file:"
	echo
	echo "    alias claude='$bin/afteryou run --'"
}

uninstall() {
	rm -f "$bin/afteryou"
	if [ -d "$state" ] && [ ! -L "$state" ]; then
		rm -rf "$state"
	fi
	rm -rf "$cache"
	echo "removed $bin/afteryou and $state"
	echo "hint: remove the line alias claude='$bin/afteryou run --' from your shell's start-up file"
}

main "$@"
