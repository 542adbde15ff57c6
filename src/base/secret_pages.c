/* Protected memory, the lower half: address space and mappings.
 *
 *   region   | unit (1 MiB) | unit | unit | ...          PROT_NONE, not committed
 *   run      | guard | bytes ............ | guard |  one or more whole units
 *
 * A run's pages come from a memfd_secret of its own, or are anonymous. The
 * marks (a byte for each 16) stand in ordinary memory: they say where blocks
 * begin, which is no secret, and an overrun of a block cannot reach them. */
#include "secret_pages.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock.h"
#include "sanitize.h"

#define DEFAULT_LIMIT ((size_t)64 << 30)
#define CLIENT_LIMIT ((size_t)16 << 30) /* of a process without secret_init */
#define LEAST_LIMIT ((size_t)64 << 20)
/* Each fresh page of a memfd_secret costs a change of the kernel's own map and a
 * message to every processor: 40 us on a virtual machine, where a locked page
 * takes 0.5. Keys come in slabs, and no key is larger than one; what is larger
 * is data passing through, or the working space of Argon2. */
#define MEMFD_MAX UNIT
/* A client locks what may be a key or a PIN, and leaves the rest of its small
 * limit to the application. */
#define CLIENT_LOCK_MAX UNIT
#define MARKS_A_UNIT (UNIT >> GRAIN_BITS)

struct region region;

static struct {
	struct mutex lock;
	bool strict;
	size_t first;     /* no unit below is free */
	size_t mapped[3]; /* bytes by grade */
	size_t large[3];  /* of these, what is too large to hold keys */
	uint8_t *busy;    /* by unit */
	uint8_t *gone;    /* the parent's region */
	size_t gone_bytes;
} st = { .lock = MUTEX_INIT };

/* --- the region ---------------------------------------------------------- */

static void *map_anywhere(size_t bytes, int prot)
{
	void *p = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool try_reserve(size_t bytes)
{
	size_t units = bytes / UNIT, table = units * (sizeof(struct run *) + 1);
	size_t marks = units * MARKS_A_UNIT;
	uint8_t *base = map_anywhere(bytes + UNIT + marks, PROT_NONE);
	uint8_t *tables = map_anywhere(table, PROT_READ | PROT_WRITE);

	if (base == NULL || tables == NULL) {
		if (base != NULL)
			(void)munmap(base, bytes + UNIT + marks);
		if (tables != NULL)
			(void)munmap(tables, table);
		return false;
	}
	region.marks = base;
	base += marks;
	region.base = base + (UNIT - (uintptr_t)base % UNIT) % UNIT;
	region.bytes = bytes;
	region.runs = (struct run **)(void *)tables;
	st.busy = tables + units * sizeof(struct run *);
	st.first = 0;
	sanitize_roots(region.base, bytes);
	return true;
}

static enum hf_err reserve(size_t bytes)
{
	bytes = (bytes + UNIT - 1) & ~(UNIT - 1);
	/* RLIMIT_AS or the application's mlockall may forbid that much. */
	while (!try_reserve(bytes)) {
		if (bytes <= LEAST_LIMIT)
			return HF_E_SECRET_MEMORY;
		bytes = (bytes / 2 + UNIT - 1) & ~(UNIT - 1);
	}
	return HF_OK;
}

/* As much as is allowed; failing only means a lower grade. */
static void raise_lock_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_MEMLOCK, &l) != 0 || l.rlim_cur == l.rlim_max)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &l);
}

enum hf_err pages_open(size_t limit, bool strict)
{
	MUTEX_HOLD(&st.lock);

	if (strict && !st.strict)
		raise_lock_limit();
	st.strict = st.strict || strict;
	if (region.base != NULL)
		return HF_OK;
	if (limit > SIZE_MAX / 4)
		return HF_E_ARGUMENTS;
	return reserve(limit != 0 ? limit : st.strict ? DEFAULT_LIMIT : CLIENT_LIMIT);
}

static size_t units_of(size_t bytes)
{
	return (bytes + 2 * GUARD + UNIT - 1) / UNIT;
}

/* units_take finds n free units in a row, the lowest first. */
static bool units_take(size_t n, size_t *ret)
{
	size_t have = 0, total = region.bytes / UNIT;

	while (st.first < total && st.busy[st.first])
		st.first++;
	for (size_t i = st.first; i < total; i++) {
		have = st.busy[i] ? 0 : have + 1;
		if (have == n) {
			*ret = i + 1 - n;
			memset(st.busy + *ret, 1, n);
			return true;
		}
	}
	return false;
}

static void units_give(size_t at, size_t n)
{
	memset(st.busy + at, 0, n);
	if (at < st.first)
		st.first = at;
}

/* use_up_to makes the marks of the first `units` units writable. */
static bool use_up_to(size_t units)
{
	size_t used = atomic_load_explicit(&region.used, memory_order_relaxed) / UNIT;
	uint8_t *from = region.marks + used * MARKS_A_UNIT;

	if (units <= used)
		return true;
	if (mprotect(from, (units - used) * MARKS_A_UNIT, PROT_READ | PROT_WRITE) != 0)
		return false;
	atomic_store(&region.used, units * UNIT);
	return true;
}

/* --- mappings ------------------------------------------------------------- */

static bool map_memfd(uint8_t *p, size_t bytes)
{
#ifdef SYS_memfd_secret
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	void *got = MAP_FAILED;

	if (fd < 0)
		return false;
	if (ftruncate(fd, (off_t)bytes) == 0)
		got = mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	(void)close(fd);
	if (got == MAP_FAILED)
		return false;
	/* Shared memory: a child that writes it would write the parent's. */
	if (madvise(p, bytes, MADV_DONTFORK) == 0)
		return true;
#endif
	return false;
}

static bool map_plain(uint8_t *p, size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (mmap(p, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
		return false;
	if (madvise(p, bytes, MADV_DONTDUMP) != 0)
		return false;
	if (bytes > MEMFD_MAX)
		(void)madvise(p, bytes, MADV_HUGEPAGE); /* only faster */
	return !st.strict || madvise(p, bytes, MADV_DONTFORK) == 0;
}

static void map_nothing(uint8_t *p, size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	if (mmap(p, bytes, PROT_NONE, flags, -1, 0) == MAP_FAILED)
		abort(); /* else the pages would stay readable */
}

/* The best grade that this process and its limits allow. A process without
 * secret_init may fork and go on, so its pages are private ones. */
static bool map_best(uint8_t *p, size_t bytes, enum secret_grade *ret)
{
	if (st.strict && bytes <= MEMFD_MAX && map_memfd(p, bytes)) {
		*ret = SECRET_MEMFD;
		return true;
	}
	if (!map_plain(p, bytes)) {
		map_nothing(p, bytes);
		return false;
	}
	*ret = SECRET_PLAIN;
	if ((st.strict || bytes <= CLIENT_LOCK_MAX) && mlock2(p, bytes, MLOCK_ONFAULT) == 0)
		*ret = SECRET_LOCKED;
	return true;
}

static void count(const struct run *r, size_t change)
{
	st.mapped[r->grade] += change;
	if (r->bytes > MEMFD_MAX)
		st.large[r->grade] += change;
}

static bool run_map(struct run *r, size_t bytes)
{
	size_t n = units_of(bytes), at;

	if (!units_take(n, &at))
		return false;
	r->p = region.base + at * UNIT + GUARD;
	r->bytes = bytes;
	if (!use_up_to(at + n) || !map_best(r->p, bytes, &r->grade)) {
		units_give(at, n);
		return false;
	}
	count(r, bytes);
	region.runs[at] = r;
	return true;
}

struct run *pages_map(size_t bytes)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	mutex_lock(&st.lock);
	if (bytes > region.bytes || !run_map(r, bytes)) {
		free(r);
		r = NULL;
	}
	mutex_unlock(&st.lock);
	return r;
}

void pages_unmap(struct run *r)
{
	size_t at = pages_offset(r->p) / UNIT;

	mutex_lock(&st.lock);
	sanitize_open(r->p, r->bytes);
	map_nothing(r->p, r->bytes);
	count(r, 0 - r->bytes);
	region.runs[at] = NULL;
	units_give(at, units_of(r->bytes));
	mutex_unlock(&st.lock);
	free(r);
}

/* --- status and fork ------------------------------------------------------ */

struct secret_status secret_status(void)
{
	struct secret_status s;
	MUTEX_HOLD(&st.lock);

	s.memfd = st.mapped[SECRET_MEMFD];
	s.locked = st.mapped[SECRET_LOCKED];
	s.plain = st.mapped[SECRET_PLAIN];
	s.worst = s.plain > st.large[SECRET_PLAIN] ? SECRET_PLAIN :
		  s.locked > st.large[SECRET_LOCKED] ? SECRET_LOCKED : SECRET_MEMFD;
	return s;
}

void pages_before_fork(void)
{
	mutex_lock(&st.lock);
}

void pages_after_fork(void)
{
	mutex_unlock(&st.lock);
}

/* Locks on memory are not inherited. */
static void all_plain(void)
{
	size_t units = atomic_load_explicit(&region.used, memory_order_relaxed) / UNIT;

	for (size_t i = 0; i < units; i++)
		if (region.runs[i] != NULL)
			region.runs[i]->grade = SECRET_PLAIN;
	st.mapped[SECRET_PLAIN] += st.mapped[SECRET_LOCKED];
	st.mapped[SECRET_LOCKED] = 0;
	st.large[SECRET_PLAIN] += st.large[SECRET_LOCKED];
	st.large[SECRET_LOCKED] = 0;
}

bool pages_forked(void)
{
	bool copied = !st.strict;

	if (copied) {
		all_plain();
	} else {
		/* Stays reserved, so that no new region comes to lie there. */
		st.gone = region.base;
		st.gone_bytes = region.bytes;
		memset(st.mapped, 0, sizeof(st.mapped));
		memset(st.large, 0, sizeof(st.large));
		region.base = NULL;
		atomic_store(&region.used, 0);
	}
	mutex_unlock(&st.lock);
	return copied;
}

bool pages_gone(const void *p)
{
	return (uintptr_t)p - (uintptr_t)st.gone < st.gone_bytes;
}
