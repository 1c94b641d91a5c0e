// A stub: it says that it is there, and lets everything pass.
export const register = (on) => {
  on('session.start', async ($, e, next) => {
    const { stdout } = await $.process.run([`${$.plugin.root}/hook.sh`, 'mod'], { timeoutMs: 5000 })
    await $.env.set('AFTERYOU_MOD', String(JSON.parse(stdout).pid))
    return next(e)
  }).catch(($, e, next) => next(e))
  on('http.fetch', ($, e, next) => next(e)).catch(($, e, next) => next(e))
}
