/* Who does not answer is given up on, and everybody is asked, however many there are. */
#include "cmd/online.h"

#include "base/arena.h"
#include "base/problems.h"
#include "config/config.h"
#include "test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 2 * GW_ONLINE_AT_ONCE + 3, DEADLINE_MS = 5 };

/* Connections are made and nobody ever says a word; its port. */
static int silent(int *fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(*fd >= 0 && !bind(*fd, (struct sockaddr *)&a, len) && !listen(*fd, 64));
    CHECK(!getsockname(*fd, (struct sockaddr *)&a, &len));
    return ntohs(a.sin_port);
}

static void ask(const char *file, struct gw_problems *p)
{
    const struct gw_config *c;

    *p = (struct gw_problems){.mem = gw_arena_new()};
    c = gw_config_check(file, p);
    CHECK(!p->errors);
    gw_check_online(c, DEADLINE_MS, p);
}

TEST(test_online_gives_up_on_whoever_does_not_answer)
{
    FILE *f = fopen("m.yaml", "w");
    struct gw_problems p;
    int fd, port = silent(&fd);

    CHECK(f);
    fputs("pipelines:\n", f);
    for (int i = 0; i < MANY; i++)
        fprintf(f, "  - {name: p%d, publisher: {type: http, url: 'http://127.0.0.1:%d/%d'}}\n", i,
                port, i);
    fprintf(f, "  - {name: k, publisher: {type: kafka, brokers: '127.0.0.1:%d', topic: t}}\n",
            port);
    fputs("  - {name: n, publisher: {type: \"null\"}}\n", f);
    CHECK(!fclose(f));
    ask("m.yaml", &p);
    CHECK(p.errors == MANY + 1 && p.n == MANY + 2);
    for (int i = 0; i < MANY; i++) {
        char want[80];

        snprintf(want, sizeof(want), "p%d: no answer within 1 s from 127.0.0.1:%d: ", i, port);
        CHECK(!strncmp(p.items[i].text, want, strlen(want)) && p.items[i].line == i + 2);
    }
    CHECK(strstr(p.items[MANY].text, "k: no answer within 1 s from the brokers at 127.0.0.1:"));
    CHECK(!strcmp(p.items[MANY + 1].text, "n: takes everything"));
    gw_arena_free(p.mem);
    close(fd);
}
