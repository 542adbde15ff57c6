/* damaged.h: names of damaged records, to be told to whoever asks. */
#ifndef HF_DAMAGED_H
#define HF_DAMAGED_H

#include "bytes.h"
#include "secret.h"

struct damaged;

struct damaged *damaged_new(void); /* NULL: no memory */
void damaged_free(struct damaged *d); /* NULL-safe */
/* damaged_add notes a name once and logs it. Thread-safe. */
void damaged_add(struct damaged *d, const char *name);
bool damaged_has(struct damaged *d, const char *name);
void damaged_forget(struct damaged *d, const char *name);
size_t damaged_count(struct damaged *d);
/* damaged_text gives the names, one a line, as many as max bytes hold, in a. */
struct slice damaged_text(struct damaged *d, size_t max, struct arena *a);

#endif
