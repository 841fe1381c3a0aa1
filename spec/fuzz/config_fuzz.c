/* A configuration of any text: problems with places or a whole configuration, never both. */
#include "base/arena.h"
#include "base/problems.h"
#include "config/config.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    int fd = memfd_create("config", MFD_CLOEXEC);
    struct gw_config *c;
    char path[40];

    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    c = gw_config_load(path, &p);
    assert(!c == (p.errors > 0));
    for (size_t i = 0; i < p.n; i++)
        assert(p.items[i].line >= 1 && p.items[i].column >= 1 && p.items[i].text[0]);
    if (c)
        assert(c->pipelines.n >= 1 && c->ingest && c->log.path && c->admin.listen);
    close(fd);
    gw_arena_free(p.mem);
    return 0;
}
