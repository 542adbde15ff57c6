#include "damaged.h"

#include <string.h>

#include "lock.h"
#include "log.h"

struct damaged {
	struct mutex lock;
	char **v;
	size_t n;
};

struct damaged *damaged_new(void)
{
	struct damaged *d = hf_alloc(1, sizeof(*d));

	if (d != NULL)
		mutex_init(&d->lock);
	return d;
}

void damaged_free(struct damaged *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n; i++)
		hf_free(d->v[i]);
	hf_free(d->v);
	mutex_done(&d->lock);
	hf_free(d);
}

/* find returns the name's place, or d->n. */
static size_t find(const struct damaged *d, const char *name)
{
	size_t i = 0;

	while (i < d->n && strcmp(d->v[i], name) != 0)
		i++;
	return i;
}

/* Out of memory the log line has to do. */
void damaged_add(struct damaged *d, const char *name)
{
	MUTEX_HOLD(&d->lock);
	char **v;

	if (find(d, name) < d->n)
		return;
	log_error("the stored record %s is damaged or out of date; it is left as it is, and not used",
		name);
	v = hf_realloc(d->v, d->n + 1, sizeof(*v));
	if (v == NULL)
		return;
	d->v = v;
	v[d->n] = hf_strdup(name);
	if (v[d->n] != NULL)
		d->n++;
}

bool damaged_has(struct damaged *d, const char *name)
{
	MUTEX_HOLD(&d->lock);

	return find(d, name) < d->n;
}

void damaged_forget(struct damaged *d, const char *name)
{
	MUTEX_HOLD(&d->lock);
	size_t i = find(d, name);

	if (i == d->n)
		return;
	hf_free(d->v[i]);
	d->v[i] = d->v[--d->n];
}

size_t damaged_count(struct damaged *d)
{
	MUTEX_HOLD(&d->lock);

	return d->n;
}

struct slice damaged_text(struct damaged *d, size_t max, struct arena *a)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(max);
	struct slice s;
	MUTEX_HOLD(&d->lock);

	for (size_t i = 0; i < d->n; i++) {
		size_t before = b.n;

		if (i > 0)
			buf_raw(&b, SLICE_STR("\n"));
		buf_raw(&b, slice_str(d->v[i]));
		if (buf_err(&b) != HF_OK) {
			buf_cut(&b, before);
			break;
		}
	}
	return arena_dup(a, buf_slice(&b), &s) == HF_OK ? s : SLICE_NONE;
}
