#!/bin/sh
# Installs afteryou for the user who runs it, or removes it again.
#
#   ./install.sh               build from this checkout, or take the binary of this archive, into ~/.local/bin
#   ./install.sh --from FILE   take it from a release's archive, once its checksum (checksums.txt beside it) is right;
#                              where it does not run here, build from this checkout
#   ./install.sh --all         and put hooks, alias and completions into place without asking (see afteryou install --dry-run)
#   ./install.sh --uninstall   remove them, the binary, the shared state, the module
#
# On a terminal it asks about hooks, alias and completions. PREFIX=DIR installs into DIR/bin.
set -eu

main() {
	bin=${PREFIX:-$HOME/.local}/bin
	state=${XDG_STATE_HOME:-$HOME/.local/state}/afteryou
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/afteryou
	data=${XDG_DATA_HOME:-$HOME/.local/share}/afteryou
	here=$(cd "$(dirname "$0")" && pwd)
	all=
	from=
	while [ $# -gt 0 ]; do
		case $1 in
		--all) all=1 ;;
		--from)
			[ $# -gt 1 ] || usage "--from needs a file"
			from=$2
			shift
			;;
		--uninstall)
			uninstall
			return
			;;
		-h | --help)
			sed -n '2,10s/^# \{0,1\}//p' "$0"
			return
			;;
		*) usage "no option is called $1; there are --from, --all, --uninstall" ;;
		esac
		shift
	done
	install
}

usage() {
	echo "install.sh: $1" >&2
	exit 64
}

fail() {
	echo "install.sh: $1" >&2
	exit 1
}

install() {
	mkdir -p "$bin"
	# Made beside its place and renamed, so that a running session keeps its file.
	new=$bin/afteryou.new.$$
	trap 'rm -f "$new"' EXIT
	if [ -n "$from" ]; then
		extract
		if ! runs && [ -f "$here/main.go" ]; then
			echo "install.sh: the binary in $from does not run on this machine: building one" >&2
			rm -f "$new"
			build
		fi
	elif [ -f "$here/main.go" ]; then
		build
	elif [ -f "$here/afteryou" ]; then
		cp "$here/afteryou" "$new"
	else
		fail "neither the source nor a binary is in $here"
	fi
	runs || fail "the binary does not run on this machine"
	mv "$new" "$bin/afteryou"
	echo "installed $bin/afteryou"
	if [ -n "$all" ]; then
		"$bin/afteryou" install all --yes
		return
	fi
	if [ -t 0 ] && [ -t 2 ] && "$bin/afteryou" install all; then
		return
	fi
	echo
	echo "To use it for every session, run '$bin/afteryou install', or add this line to your shell's start-up file:"
	echo
	echo "    alias claude='$bin/afteryou run --'"
}

build() {
	command -v go >/dev/null || fail "building needs Go 1.26 or later: https://go.dev/dl"
	(cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$new" .)
}

runs() {
	chmod 755 "$new"
	"$new" --version >/dev/null 2>&1
}

extract() {
	[ -f "$from" ] || fail "$from is not there"
	sums=$(dirname "$from")/checksums.txt
	[ -f "$sums" ] || fail "$sums is not there: it comes with the release"
	name=$(basename "$from")
	want=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$sums")
	[ -n "$want" ] || fail "$sums does not name $name"
	if command -v sha256sum >/dev/null; then
		have=$(sha256sum <"$from")
	else
		have=$(shasum -a 256 <"$from")
	fi
	[ "${have%% *}" = "$want" ] || fail "the checksum of $from is wrong"
	tar -xzOf "$from" afteryou >"$new" || fail "there is no afteryou in $from"
}

uninstall() {
	if [ -x "$bin/afteryou" ] || [ -n "$(left)" ]; then
		if program; then
			status=0
			"$program" uninstall all --yes || status=$?
			# 64: a version that had no such command.
			if [ $status != 0 ] && [ $status != 64 ]; then
				fail "hooks, alias or completions are left, so the binary stays"
			fi
		fi
		# What the program does not take out, or nobody was there to: it would call what is gone.
		if [ -n "$(left)" ]; then
			echo "install.sh: these still call afteryou, so $bin/afteryou and $state are left as they are:" >&2
			left | cut -c 1-200 >&2
			if [ -z "$program" ]; then
				echo "hint: no afteryou is here to take them out: run ./install.sh from a checkout or an archive, or take them out by hand; then ./install.sh --uninstall" >&2
			else
				echo "hint: take them out by hand, then ./install.sh --uninstall" >&2
			fi
			exit 1
		fi
	fi
	removed=
	if [ -f "$bin/afteryou" ] || [ -L "$bin/afteryou" ]; then
		rm -f "$bin/afteryou"
		removed=$bin/afteryou
	fi
	for each in "$state" "$cache" "$data"; do
		if [ -d "$each" ] && [ ! -L "$each" ]; then
			chmod -R u+w "$each" # the module is read-only
			rm -rf "$each"
			removed="${removed:+$removed, }$each"
		fi
	done
	echo "removed ${removed:-nothing: there is nothing of afteryou}"
}

# program finds an afteryou that runs: the one to be removed, one on PATH, that of this archive, or one built for the purpose.
program() {
	for program in "$bin/afteryou" "$(command -v afteryou || true)" "$here/afteryou"; do
		if [ -x "$program" ] && "$program" --version >/dev/null 2>&1; then
			return
		fi
	done
	program=
	if [ -f "$here/main.go" ] && command -v go >/dev/null; then
		temp=$(mktemp -d)
		trap 'rm -rf "$temp"' EXIT
		new=$temp/afteryou
		if build && runs; then
			program=$new
			return
		fi
	fi
	return 1
}

# left prints what calls afteryou at the places where install puts something: hooks and status line in the settings, an alias
# (one that was written by hand too) in the start-up files of shells, a link named claude.
left() {
	grep -EHno '"command" *: *"(([^"\\]|\\.)*afteryou(\\"|'"'"')* (hook|statusline)|(exec )?(\\"|'"'"')*([~/$]([^"\\]|\\.)*/)?afteryou(\\"|'"'"')*")' "${CLAUDE_CONFIG_DIR:-$HOME/.claude}/settings.json" 2>/dev/null || true
	for each in "$HOME/.bashrc" "$HOME/.bash_aliases" "$HOME/.bash_profile" "$HOME/.profile" "${ZDOTDIR:-$HOME}/.zshrc" "${XDG_CONFIG_HOME:-$HOME/.config}/fish/config.fish"; do
		grep -EHn '^[^#]*alias[[:space:]]+claude[=[:space:]].*afteryou.* run' "$each" 2>/dev/null || true
	done
	case $(readlink "${CLAUDE_CONFIG_DIR:-$HOME/.claude}/skills/afteryou" 2>/dev/null) in
	*/afteryou/plugin-*) echo "${CLAUDE_CONFIG_DIR:-$HOME/.claude}/skills/afteryou: a link to afteryou's module" ;;
	esac
	(
		IFS=:
		for each in $PATH; do
			case $(readlink "$each/claude" 2>/dev/null) in
			afteryou | */afteryou) echo "$each/claude: a link to afteryou" ;;
			esac
		done
	)
}

main "$@"
