/* The last resort of the time budget. Some single steps of Lua take long and run no count hook: a
 * table that grows while its keys collide, a collection with chains of weak keys, compiling text
 * made for it. When a call is well past its time, a timer's signal leaves such a step by
 * siglongjmp. The Lua state is broken then: nothing enters it any more, and its memory is given
 * back block by block (heap.c).
 *
 * It is safe because the signal acts only while the processor is inside liblua itself: there any
 * function of ours on the stack must expect an error anyway (vm.h), so it holds no malloc,
 * descriptor or lock; and the C library is not in the middle of anything. Elsewhere the signal
 * comes again shortly after. One timer a Lua state, made when a call first runs for long, for the
 * thread that runs it; the timer says which state it is for. */
#include "base/arena.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { AGAIN_MS = 2, LEAST_MS = 20, SCRATCH_KEPT = 64 << 10 };

struct gw_watch {
    timer_t timer;
    pid_t thread; /* 0: no timer yet */
    int armed;
    sigjmp_buf env;
    int64_t seen_ms;
    char seen[GW_SHOWN]; /* a line that ran not long before */
};

/* Which state this thread runs; the innermost if one runs another. */
static _Thread_local struct gw_hook_vm *volatile watched;
static uintptr_t lua_begin, lua_end; /* liblua's code; empty if it is not a library of its own */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int watch_signal(void)
{
    return SIGRTMIN + 5;
}

static uintptr_t program_counter(const ucontext_t *uc)
{
#if defined(__x86_64__)
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)uc->uc_mcontext.pc;
#else
    (void)uc;
    return 0; /* never inside: the watch does nothing here */
#endif
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    struct gw_hook_vm *vm = watched;
    uintptr_t pc = program_counter(context);

    (void)sig;
    if (!vm || info->si_value.sival_ptr != vm || !vm->watch->armed)
        return;
    if (pc >= lua_begin && pc < lua_end)
        siglongjmp(vm->watch->env, 1);
}

/* Finds the code that the address in `wanted` lies in. The main program comes first: with Lua in
 * it the two cannot be told apart. */
static int find_code(struct dl_phdr_info *info, size_t size, void *wanted)
{
    uintptr_t at = (uintptr_t)wanted;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr;

        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || at < begin || at >= begin + p->p_memsz)
            continue;
        if (info->dlpi_name[0]) {
            lua_begin = begin;
            lua_end = begin + p->p_memsz;
        }
        return 1;
    }
    return 0;
}

static void prepare(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal,
                           .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};

    dl_iterate_phdr(find_code, dlsym(RTLD_DEFAULT, "lua_resume"));
    sigemptyset(&sa.sa_mask);
    sigaction(watch_signal(), &sa, NULL);
}

void gw_watch_open(struct gw_hook_vm *vm)
{
    pthread_once(&once, prepare);
    vm->watch = calloc(1, sizeof(*vm->watch));
    if (!vm->watch)
        abort();
}

static void drop_timer(struct gw_watch *w)
{
    if (w->thread)
        timer_delete(w->timer);
    w->thread = 0;
}

void gw_watch_close(struct gw_hook_vm *vm)
{
    drop_timer(vm->watch);
    free(vm->watch);
}

/* A timer that signals this thread, which may have every signal blocked. Without one (a limit of
 * the system) the watch does nothing. */
static int make_timer(struct gw_hook_vm *vm)
{
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = watch_signal()};
    struct gw_watch *w = vm->watch;
    sigset_t ours;

    if (w->thread == gettid())
        return 0;
    drop_timer(w);
    ev.sigev_value.sival_ptr = vm;
    ev.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_MONOTONIC, &ev, &w->timer))
        return -1;
    w->thread = gettid();
    sigemptyset(&ours);
    sigaddset(&ours, watch_signal());
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    return 0;
}

/* A quarter later than the time is up, so that what looks at the clock is first. */
void gw_watch_arm(struct gw_hook_run *r)
{
    struct gw_hook_vm *vm = r->vm;
    int64_t ms = r->deadline_ms - gw_hook_now_ms() + r->limits->timeout_ms / 4;
    struct itimerspec when = {.it_interval = {0, AGAIN_MS * 1000000L}};

    if (vm->watch->armed || watched != vm || make_timer(vm))
        return;
    if (ms < LEAST_MS)
        ms = LEAST_MS;
    when.it_value = (struct timespec){ms / 1000, ms % 1000 * 1000000};
    vm->watch->armed = !timer_settime(vm->watch->timer, 0, &when, NULL);
}

void gw_watch_seen(struct gw_hook_run *r, lua_State *L, int64_t now_ms)
{
    struct gw_watch *w = r->vm->watch;

    if (!w->armed || w->seen_ms == now_ms)
        return;
    w->seen_ms = now_ms;
    gw_where(L, w->seen);
}

static void disarm(struct gw_watch *w)
{
    static const struct itimerspec never;

    if (!w->armed)
        return;
    w->armed = 0;
    timer_settime(w->timer, 0, &never, NULL);
}

void gw_watch_disarm(struct gw_hook_vm *vm)
{
    disarm(vm->watch);
}

struct gw_hook_vm *gw_watch_turn(struct gw_hook_vm *vm)
{
    struct gw_hook_vm *before = watched;

    watched = vm;
    return before;
}

void gw_watch_postpone(struct gw_hook_run *r, int64_t ms)
{
    const int armed = r->vm->watch->armed;

    if (!r->deadline_ms)
        return;
    r->deadline_ms += ms;
    disarm(r->vm->watch);
    if (armed)
        gw_watch_arm(r);
}

/* The step was left: Lua may not be asked for anything now. */
static int broken(struct gw_hook_run *r)
{
    char what[GW_SHOWN + 128];
    const char *seen = r->vm->watch->seen;

    r->vm->broken = 1;
    r->stop = GW_STOP_TIMEOUT;
    snprintf(what, sizeof(what), "%s%stook more than %lld ms, in one step of Lua near here", seen,
             *seen ? ": " : "", (long long)r->limits->timeout_ms);
    gw_explain_result(r, what);
    return LUA_ERRRUN;
}

static int watched_run(struct gw_hook_run *r, int nargs, int *n)
{
    struct gw_hook_vm *vm = r->vm, *outer = watched;
    int status;

    vm->watch->seen[0] = '\0';
    watched = vm;
    if (!sigsetjmp(vm->watch->env, 0))
        status = nargs < 0 ? lua_resetthread(r->co) : lua_resume(r->co, NULL, nargs, n);
    else
        status = broken(r);
    disarm(vm->watch);
    watched = outer;
    return status;
}

int gw_watch_resume(struct gw_hook_run *r, int nargs, int *n)
{
    int status;

    if (r->vm->broken) {
        r->vm->watch->seen[0] = '\0';
        return broken(r);
    }
    r->c_stack = __builtin_frame_address(0);
    status = watched_run(r, nargs, n);
    if (gw_arena_size(r->vm->scratch) > SCRATCH_KEPT)
        gw_arena_reset(r->vm->scratch);
    return status;
}

int gw_watch_reset(struct gw_hook_run *r)
{
    int n;

    return gw_watch_resume(r, -1, &n);
}
