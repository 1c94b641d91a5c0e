package realclaude

// Settings of an organization, for Managed.
const (
	// Guarded has modules of plugins see no request of Claude Code's own (2.1.332): any settings do, but for {}.
	Guarded = `{"cleanupPeriodDays":30}`
	// NoModules has them not loaded at all; settings hooks run (2.1.332).
	NoModules = `{"pluginConfigs":{"cc-plugin-sec-default@builtin":{"options":{"allowManagedModsOnly":true}}}}`
)
