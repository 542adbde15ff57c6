#include "anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "crc.h"
#include "log.h"
#include "secret.h"

/* Two slots, written in turn: | magic u32 | length u32 | turn u64 | crc u32 | value |. A
 * torn write leaves the other slot, whose value is the one before. */
#define SLOT_SIZE (ANCHOR_MAX + 4096)
#define HEAD 20
#define MAGIC 0x48464131u

struct anchor {
	int fd;
	uint64_t turn;     /* of the newest whole slot; 0: there is none */
	struct buf newest; /* that slot, with its head */
};

static struct slice value_of(const struct buf *slot)
{
	if (slot->n < HEAD)
		return SLICE_NONE;
	return (struct slice){ slot->p + HEAD, slot->n - HEAD };
}

/* read_slot returns the slot's turn; 0: it is empty or torn. */
static uint64_t read_slot(int fd, unsigned slot, struct buf *ret)
{
	uint8_t head[HEAD], *p;
	uint32_t n;
	off_t at = (off_t)slot * SLOT_SIZE;

	if (pread(fd, head, HEAD, at) != HEAD || get_u32(head) != MAGIC)
		return 0;
	n = get_u32(head + 4);
	p = n <= ANCHOR_MAX ? buf_add(ret, HEAD + n) : NULL;
	if (p == NULL || pread(fd, p, HEAD + n, at) != (ssize_t)(HEAD + n) ||
	    crc32_of(value_of(ret)) != get_u32(head + 16))
		return 0;
	return get_u64(head + 8);
}

/* A torn slot's turn counts for nothing: it is the one to be written next. */
static void read_newest(struct anchor *a)
{
	for (unsigned slot = 0; slot < 2; slot++) {
		CLEANUP(buf_done) struct buf b = BUF_MAX(ANCHOR_MAX + HEAD);
		uint64_t turn = read_slot(a->fd, slot, &b);

		if (turn > a->turn) {
			struct buf t = a->newest;

			a->newest = b;
			b = t;
			a->turn = turn;
		}
	}
}

enum hf_err anchor_open(int dirfd, const char *name, struct anchor **ret)
{
	struct anchor *a = hf_alloc(1, sizeof(*a));

	if (a == NULL)
		return HF_E_MEMORY;
	a->newest = BUF_MAX(ANCHOR_MAX + HEAD);
	a->fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd < 0) {
		log_error("anchor: %s cannot be opened: %m", name);
		hf_free(a);
		return HF_E_STORE;
	}
	read_newest(a);
	*ret = a;
	return HF_OK;
}

void anchor_close(struct anchor *a)
{
	if (a == NULL)
		return;
	close(a->fd);
	buf_done(&a->newest);
	hf_free(a);
}

struct slice anchor_get(const struct anchor *a)
{
	return value_of(&a->newest);
}

static enum hf_err write_slot(int fd, off_t at, struct slice s)
{
	ssize_t n = pwrite(fd, s.p, s.n, at);

	if (n >= 0 && (size_t)n < s.n)
		errno = ENOSPC;
	if (n != (ssize_t)s.n || fdatasync(fd) != 0) {
		log_error("anchor: cannot be written: %m");
		return HF_E_STORE;
	}
	return HF_OK;
}

enum hf_err anchor_put(struct anchor *a, struct slice value)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ANCHOR_MAX + HEAD);
	struct buf before = a->newest;

	buf_u32(&b, MAGIC);
	buf_u32(&b, (uint32_t)value.n);
	buf_u64(&b, a->turn + 1);
	buf_u32(&b, crc32_of(value));
	buf_raw(&b, value);
	TRY(buf_err(&b));
	TRY(write_slot(a->fd, (off_t)((a->turn + 1) % 2) * SLOT_SIZE, buf_slice(&b)));
	a->turn++;
	a->newest = b;
	b = before;
	return HF_OK;
}
