/* runtime.h: where a removable token's instance has what changes while it is used.
 *
 * A removable token is a directory with a file "token-id" (16 hex digits), made by 'holdfast backup
 * token'; nothing is ever written there. Its socket, locks, counters and audit log are in
 * $XDG_RUNTIME_DIR/holdfast-ID, or /tmp/holdfast-UID-ID where that is not set. */
#ifndef HF_RUNTIME_H
#define HF_RUNTIME_H

#include <limits.h>
#include <stdbool.h>

#define RUNTIME_ID "token-id"
#define RUNTIME_DIGITS 16

/* runtime_of names that directory for a home; false: the home is no removable token. */
bool runtime_of(const char *home, char out[PATH_MAX]);
/* runtime_make makes it, mode 0700; false: it cannot be, or is somebody else's. */
bool runtime_make(const char *path);

#endif
