#include "admin/process.h"

#include "base/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What Prometheus' own clients tell of their process, from /proc. */

static const int64_t second_ns = 1000000000;

static size_t read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static int64_t resident_bytes(void)
{
    char text[256];
    char *at = text;

    read_file("/proc/self/statm", text, sizeof(text));
    strtoll(at, &at, 10); /* size */
    return strtoll(at, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static int64_t cpu_ns(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u))
        return 0;
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * second_ns +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static int64_t open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = -1; /* the directory's own */

    if (!d)
        return 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) /* NOLINT(concurrency-mt-unsafe) */
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* Field 22 of stat, in ticks since boot; the name in field 2 may hold anything but ends with ')'.
 */
static int64_t start_ns(void)
{
    char text[1024];
    struct timespec boot, now;
    char *at;

    read_file("/proc/self/stat", text, sizeof(text));
    at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || clock_gettime(CLOCK_BOOTTIME, &boot) || clock_gettime(CLOCK_REALTIME, &now))
        return 0;
    return (now.tv_sec - boot.tv_sec) * second_ns + now.tv_nsec - boot.tv_nsec +
           strtoll(at, NULL, 10) * (second_ns / sysconf(_SC_CLK_TCK));
}

static void on_scrape(void *ctx)
{
    struct gw_metrics *m = ctx;

    gw_gauge_set(gw_metrics_counter(m, GW_M_PROCESS_RESIDENT_MEMORY, NULL, NULL), resident_bytes());
    gw_gauge_set(gw_metrics_counter(m, GW_M_PROCESS_CPU_SECONDS, NULL, NULL), cpu_ns());
    gw_gauge_set(gw_metrics_counter(m, GW_M_PROCESS_OPEN_FDS, NULL, NULL), open_fds());
}

void gw_process_metrics(struct gw_metrics *m)
{
    gw_gauge_set(gw_metrics_counter(m, GW_M_BUILD_INFO, GW_VERSION, NULL), 1);
    gw_gauge_set(gw_metrics_counter(m, GW_M_PROCESS_START_TIME, NULL, NULL), start_ns());
    gw_metrics_on_scrape(m, on_scrape, m);
}
