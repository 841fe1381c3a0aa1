/* Which file systems are refused: those behind a network, where a sync may say less than it does on
 * a disk, a lock may not hold, and SQLite's shared memory does not work. No thread of its own. */
#include "log/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

int (*gw_log_statfs)(int fd, struct statfs *out) = fstatfs;

enum { FUSE = 0x65735546 };

/* By f_type: the kernel's numbers, and those of file systems outside of it. */
static const struct {
    unsigned long type;
    const char *name;
} network[] = {
    {0x6969, "nfs"},        {0x517B, "smb"},        {0xFF534D42, "cifs"},
    {0xFE534D42, "smb2"},   {0x01021997, "9p"},     {0x00C36400, "ceph"},
    {0x0BD00BD0, "lustre"}, {0x5346414F, "afs"},    {0x6B414653, "afs"},
    {0x73757245, "coda"},   {0x564C, "ncp"},        {0x47504653, "gpfs"},
    {0xAAD7AAEA, "panfs"},  {0x19830326, "beegfs"}, {0x20030528, "orangefs"},
    {0x786F4256, "vboxsf"}, {0xBACBACBC, "vmhgfs"}, {0x7C7C6673, "prl_fs"},
};

/* What FUSE serves from a local disk; nothing says so of any other. */
static const char *const local_fuse[] = {
    "fuseblk",    "virtiofs",       "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.bindfs",
    "fuse.encfs", "fuse.gocryptfs", "fuse.ntfs-3g",        "fuse.lxcfs",
};

/* "36 35 98:0 /root /mount options … - type source options" */
static int type_of_line(char *line, dev_t dev, char *out, size_t size)
{
    const char *type = strstr(line, " - ");
    unsigned long major_of, minor_of;
    char *at = line;

    (void)strtoul(at, &at, 10);
    (void)strtoul(at, &at, 10);
    major_of = strtoul(at, &at, 10);
    if (!type || *at != ':')
        return 0;
    minor_of = strtoul(at + 1, NULL, 10);
    if (makedev(major_of, minor_of) != dev)
        return 0;
    type += 3;
    (void)snprintf(out, size, "%.*s", (int)strcspn(type, " "), type);
    return 1;
}

static void mounted_as(int fd, char *out, size_t size)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t room = 0;
    struct stat st;
    int found = 0;

    while (f && !found && !fstat(fd, &st) && getline(&line, &room, f) > 0)
        found = type_of_line(line, st.st_dev, out, size);
    if (!found)
        (void)snprintf(out, size, "fuse");
    free(line);
    if (f)
        fclose(f);
}

int gw_network_fs(int fd, char *name, size_t size)
{
    struct statfs fs;

    if (gw_log_statfs(fd, &fs))
        return 0;
    if ((unsigned)fs.f_type == FUSE) {
        mounted_as(fd, name, size);
        for (size_t i = 0; i < sizeof(local_fuse) / sizeof(*local_fuse); i++)
            if (!strcmp(name, local_fuse[i]))
                return 0;
        return 1;
    }
    for (size_t i = 0; i < sizeof(network) / sizeof(*network); i++)
        if ((unsigned)fs.f_type == network[i].type) {
            (void)snprintf(name, size, "%s", network[i].name);
            return 1;
        }
    return 0;
}
