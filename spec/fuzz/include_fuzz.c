/* A file of a team, of any text, under a guard: whatever it holds, the main file's pipeline is up,
 * what is told has a place, and only pipelines with a name are told of. */
#include "base/arena.h"
#include "base/problems.h"
#include "config/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int memory_file(const char *name, const void *data, size_t size, char path[40])
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_pipelines(const struct gw_config *c)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;
    size_t mine = 0;

    for (size_t i = 0; i < c->pipelines.n; i++) {
        const struct gw_pipeline_conf *one = &all[i];

        assert(one->name && one->yaml && one->lua_path && one->source);
        if (!strcmp(one->name, "main"))
            mine += !one->down && !one->contested;
        else
            assert(one->down || one->hook_limits.memory <= 8 << 20);
        assert(one->down || one->publisher.type);
    }
    assert(mine == 1 && c->broken.n <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    char team[40], path[40], text[400];
    int fd = memory_file("team", data, size, team), main_fd;
    struct gw_config *c;

    snprintf(text, sizeof(text),
             "include: %s\nguard: {hook_limits: {memory: 8MiB}, env: [TEAM_*]}\n"
             "pipelines: [{name: main, publisher: {type: 'null'}}]\n",
             team);
    main_fd = memory_file("main", text, strlen(text), path);
    c = gw_config_load(path, &p);
    assert(c);
    check_pipelines(c);
    for (size_t i = 0; i < p.n; i++)
        assert(p.items[i].line >= 1 && p.items[i].column >= 1 && p.items[i].text[0]);
    close(fd);
    close(main_fd);
    gw_arena_free(p.mem);
    return 0;
}
