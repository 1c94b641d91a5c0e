// Package claude holds what is peculiar to Claude Code: where its binary is, which of its command lines are chat
// sessions, what its settings and hooks look like by version, what its transcripts say.
//
// Facts about Claude Code were measured on version 2.1.330 unless a comment names another. The package starts no
// session, writes no settings file, reads no credential, and decides nothing about turns.
package claude
