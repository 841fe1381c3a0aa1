#ifndef GW_PUBLISH_PUBLISH_FILE_H
#define GW_PUBLISH_PUBLISH_FILE_H

#include "publish/publisher.h"

#include <sys/types.h>

struct gw_publish_file_rotate {
    int64_t max_bytes, keep;
};

struct gw_publish_file_conf {
    struct gw_publish_common common;
    const char *path; /* "-": standard output */
    int fsync;
    struct gw_publish_file_rotate *rotate; /* NULL: never */
};

/* Every sync of a file or its folder, for spec/fault and tests that let it fail. */
extern int (*gw_publish_file_sync)(int fd);
extern int (*gw_publish_file_cut)(int fd, off_t size); /* ftruncate, likewise */

/* Inside the room: the file itself (file_sink.c). One writer at a time, also of other workers,
 * replays and processes: it is locked while a batch is written.
 *
 * Invariants: 1. whoever has the lock first cuts an unfinished line off, whoever left it there, and
 * never what others have written whole;
 * 2. what write returned 0 for is on the disk (fsync on); 3. no line is split over two files. */
struct gw_file_sink {
    const struct gw_publish_file_conf *conf;
    int fd;
    int64_t size;    /* valid while locked */
    int64_t cut;     /* -1: nothing; else the size to cut back to before the next write */
    int64_t cut_end; /* if the file still has this size: else others have written behind it */
    int unsynced;    /* a file was made and its folder has not been synced */
};
int gw_file_sink_open(struct gw_file_sink *s, const struct gw_publish_file_conf *conf,
                      struct gw_err *err);
void gw_file_sink_close(struct gw_file_sink *s);
/* Writes whole messages from *m on. *m gets the first that was not written, NULL when all were. */
int gw_file_sink_write(struct gw_file_sink *s, struct gw_message **m, struct gw_err *err);

/* Standard output, pipes, devices (stream_sink.c): no cutting, no sync; never blocks the loop.
 * Those of this process that are one stream take turns at the end of a line. */
struct gw_stream;
struct gw_stream_sink {
    int fd;
    struct gw_stream *stream;
    size_t done; /* bytes of the first message that are written */
};
int gw_stream_sink_open(struct gw_stream_sink *s, const char *path, struct gw_err *err);
void gw_stream_sink_close(struct gw_stream_sink *s);
/* 0: all written; 1: it would block (*m moved on); -1: an error. */
int gw_stream_sink_write(struct gw_stream_sink *s, struct gw_message **m, struct gw_err *err);

/* file_online.c */
struct gw_asking *gw_file_ask(const void *conf, const struct gw_format *f, struct gw_loop *loop,
                              struct gw_online *o);

enum { GW_FILE_BATCH_MAX = 1000 };

#endif
