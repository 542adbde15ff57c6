/* log.h: one line per event to standard error (the monitor's, the journal's).
 * Never a secret; bytes from outside go through %s only after log_safe. Each
 * line is one write(2), at most 1 KiB; control characters become blanks. */
#ifndef HF_LOG_H
#define HF_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "err.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_NOTICE, LOG_L_INFO, LOG_L_DEBUG };

/* log_open sets the name printed before every line ("vault") and the level. */
void log_open(const char *name, enum log_level level);
/* log_level_of parses "error" ... "debug". */
bool log_level_of(const char *s, enum log_level *ret);

/* log_safe copies s into out (size bytes, NUL included), cut where it does not
 * fit, anything but printable ASCII replaced by '?'; returns out. */
const char *log_safe(struct slice s, char *out, size_t size);

/* log_at writes a line if the level is wanted; errno stays as it is. */
void log_at(enum log_level l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_at(LOG_L_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_L_WARN, __VA_ARGS__)
#define log_notice(...) log_at(LOG_L_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_L_DEBUG, __VA_ARGS__)

#endif
