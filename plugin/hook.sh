#!/bin/sh
# Hands an event of Claude Code to afteryou. Where that is not installed the session goes on without turns, and is told
# so once, at its start.
for afteryou in afteryou "$HOME/.local/bin/afteryou"; do
	command -v "$afteryou" >/dev/null && exec "$afteryou" hook "$@"
done
if grep -q '"hook_event_name": *"SessionStart"'; then
	echo '{"systemMessage":"afteryou: this session takes no turns: the plugin does not find the program afteryou on PATH"}'
fi
exit 0
