/* A style's script as a pipeline runs it: what it may use, and what its failure means. The script
 * is the test's own, in the place of the shipped one. */
#include "hook/style.h"

#include "hook/flyte_client.h"
#include "hook/world.h"
#include "net/address.h"
#include "net/loop.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char workflow[] =
    "{\"event\":{\"executionId\":{\"project\":\"p\",\"domain\":\"d\",\"name\":\"f1\"}}}";

static void clear(void)
{
    CHECK(!unlink("moongate/flyteadmin_v2.lua") && !rmdir("moongate"));
    (void)unlink("hook.lua");
}

/* A pipeline of the style whose script's on_event has this body; hook: the body of its own, NULL:
 * none. */
static void open_style(struct world *w, const char *body, const char *hook)
{
    world_init(w);
    CHECK(!mkdir("moongate", 0700));
    w->conf.lua_path = ".";
    w->style.style = GW_STYLE_FLYTEADMIN_V2;
    world_write(
        "moongate/flyteadmin_v2.lua",
        gw_arena_printf(w->mem,
                        "local m = require 'moongate'\nreturn function(conf) return {on_event = "
                        "function(event, request)\n%s\nend} end\n",
                        body)
            .p);
    if (hook)
        world_script(w, "hook.lua",
                     gw_arena_printf(w->mem, "return function(event)\n%s\nend\n", hook).p);
}

static void make_request(struct world *w)
{
    world_request(w, GW_WORKFLOW, workflow);
    gw_event_set(&w->ev, GW_STR("source"), GW_STR("/before"));
}

static struct gw_hook_call *call_style(struct world *w, const char *body, const char *hook)
{
    open_style(w, body, hook);
    world_open(w);
    make_request(w);
    return world_call(w);
}

TEST(test_style_script_comes_before_the_hooks_and_knows_its_configuration)
{
    struct world w;

    open_style(&w, "event.source = '/made'; event.all = conf.enrich_all",
               "event.seen = event.source");
    w.style.enrich_all = 1;
    world_open(&w);
    make_request(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "seen"), "/made") && !strcmp(world_attr(&w, "all"), "true"));
    world_close(&w);
}

TEST(test_style_script_that_fails_has_made_no_event)
{
    static const char *const bodies[] = {"return nil, 'refused'", "error 'refused'", "return 5",
                                         "m.to_json(5)"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        struct world w;
        struct gw_hook_call *c = call_style(&w, bodies[i], "event.seen = 'yes'");

        CHECK(c->verdict == GW_HOOK_FAILED && c->unmade && !c->stopped);
        CHECK(!strcmp(c->reason, "invalid_event") && *c->text);
        world_close(&w);
        clear();
    }
}

TEST(test_style_failure_of_a_hook_behind_it_is_the_hooks)
{
    struct world w;
    struct gw_hook_call *c = call_style(&w, "event.source = '/made'", "error 'mine'");

    CHECK(c->verdict == GW_HOOK_FAILED && !c->unmade && !strcmp(c->reason, "hook_error"));
    CHECK(gw_str_is(gw_event_text(c->unchanged, "source"), "/made"));
    world_close(&w);
}

TEST(test_style_script_has_more_instructions_than_the_hooks)
{
    static const char loop[] = "for i = 1, 2000000 do local x = i end";
    struct world w;
    struct gw_hook_call *c = call_style(&w, loop, NULL);

    CHECK(c->verdict == GW_HOOK_PUBLISH);
    world_close(&w);
    clear();
    c = call_style(&w, "", loop);
    CHECK(c->verdict == GW_HOOK_FAILED && !strcmp(c->reason, "hook_budget") && !c->unmade);
    world_close(&w);
    clear();
    c = call_style(&w, "while true do end", NULL);
    CHECK(c->verdict == GW_HOOK_FAILED && !strcmp(c->reason, "hook_budget") && c->unmade);
    CHECK(c->stopped);
    world_close(&w);
}

#define MEGABYTES(n) "event.data = ('x'):rep(1024):rep(" #n " << 10)\n"

/* It may leave as much behind, in the state and in the event. */
TEST(test_style_memory_is_none_of_the_hooks)
{
    struct world w;
    struct gw_hook_call *c = call_style(
        &w, MEGABYTES(60),
        "local t, y = {}, ('y'):rep(1000) for i = 1, 80 do t[i] = y:rep(100) .. i end\n" MEGABYTES(
            5));

    CHECK(c->verdict == GW_HOOK_PUBLISH);
    CHECK(w.ev.data.len == 5 << 20);
    world_close(&w);
    clear();
    c = call_style(&w, MEGABYTES(60), "event.data = 'short'"); /* what is left is garbage */
    for (int i = 0; i < 3; i++) {
        CHECK(c->verdict == GW_HOOK_PUBLISH);
        make_request(&w);
        c = world_call(&w);
    }
    world_close(&w);
    clear();
    c = call_style(&w, "", MEGABYTES(60));
    CHECK(c->verdict == GW_HOOK_FAILED && !strcmp(c->reason, "hook_memory") && !c->unmade);
    world_close(&w);
}

TEST(test_style_script_leaves_events_that_came_as_such)
{
    struct world w;

    open_style(&w, "event.source = '/made'", "event.seen = 'yes'");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "source"), "/s") && !strcmp(world_attr(&w, "seen"), "yes"));
    make_request(&w);
    w.request.form = GW_CARRY_JSON;
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "source"), "/before"));
    world_close(&w);
}

static int64_t now;

static int64_t fake_now(void)
{
    return now;
}

/* A port that takes connections and never says a word. */
static int listen_silently(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&a, len) && !listen(fd, 4));
    CHECK(!getsockname(fd, (struct sockaddr *)&a, &len));
    *port = ntohs(a.sin_port);
    return fd;
}

TEST(test_style_script_that_flyteadmin_leaves_waiting_is_tried_again)
{
    struct gw_flyte_client_conf admin = {0};
    struct world w;
    int port, fd = listen_silently(&port);

    gw_hook_now_ms = fake_now;
    open_style(&w, "m.flyte.execution(request.event.execution_id)", NULL);
    admin.address = gw_arena_printf(w.mem, "127.0.0.1:%d", port).p;
    w.conf.flyteadmin = &admin;
    w.conf.loop = gw_loop_new();
    world_open(&w);
    make_request(&w);
    w.call = (struct gw_hook_call){.mem = w.mem,
                                   .event = &w.ev,
                                   .kind = GW_WORKFLOW,
                                   .request = &w.request,
                                   .flyte = &w.facts,
                                   .done = world_done};
    gw_hooks_start(w.hooks, &w.call);
    CHECK(!w.dones);
    now += 29999; /* more than hook_limits.timeout */
    CHECK(gw_hooks_expire(w.hooks) == 1 && !w.dones);
    now += 1;
    CHECK(gw_hooks_expire(w.hooks) == -1 && w.dones == 1);
    CHECK(w.call.verdict == GW_HOOK_RETRY && w.call.run && !w.call.unmade && !w.call.stopped);
    CHECK(!strcmp(w.call.text, "FlyteAdmin gave no answer within 30000 ms"));
    world_close(&w);
    gw_loop_free(w.conf.loop);
    close(fd);
}
