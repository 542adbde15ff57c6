#include "anchor.h"

#include <fcntl.h>
#include <string.h>
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
	uint64_t turn;
	struct buf value;
};

static bool read_slot(int fd, unsigned slot, uint64_t *ret_turn, struct buf *ret)
{
	uint8_t head[HEAD];
	uint32_t n;
	uint8_t *p;
	off_t at = (off_t)slot * SLOT_SIZE;

	if (pread(fd, head, HEAD, at) != HEAD || get_u32(head) != MAGIC)
		return false;
	n = get_u32(head + 4);
	*ret_turn = get_u64(head + 8);
	buf_reset(ret);
	p = n <= ANCHOR_MAX ? buf_add(ret, n) : NULL;
	return p != NULL && pread(fd, p, n, at + HEAD) == (ssize_t)n &&
	       crc32_of(buf_slice(ret)) == get_u32(head + 16);
}

static void read_newest(struct anchor *a)
{
	CLEANUP(buf_done) struct buf other = BUF_MAX(ANCHOR_MAX);
	uint64_t turn0 = 0, turn1 = 0;
	bool good0 = read_slot(a->fd, 0, &turn0, &a->value);
	bool good1 = read_slot(a->fd, 1, &turn1, &other);

	if (!good0)
		buf_reset(&a->value);
	if (good1 && (!good0 || turn1 > turn0)) {
		struct buf t = a->value;

		a->value = other;
		other = t;
	}
	a->turn = turn1 > turn0 ? turn1 : turn0;
}

enum hf_err anchor_open(int dirfd, const char *name, struct anchor **ret)
{
	struct anchor *a = hf_alloc(1, sizeof(*a));

	if (a == NULL)
		return HF_E_MEMORY;
	a->value = BUF_MAX(ANCHOR_MAX);
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
	buf_done(&a->value);
	hf_free(a);
}

struct slice anchor_get(const struct anchor *a)
{
	return buf_slice(&a->value);
}

enum hf_err anchor_put(struct anchor *a, struct slice value)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ANCHOR_MAX + HEAD);
	off_t at = (off_t)((a->turn + 1) % 2) * SLOT_SIZE;

	buf_u32(&b, MAGIC);
	buf_u32(&b, (uint32_t)value.n);
	buf_u64(&b, a->turn + 1);
	buf_u32(&b, crc32_of(value));
	buf_raw(&b, value);
	TRY(buf_err(&b));
	if (pwrite(a->fd, b.p, b.n, at) != (ssize_t)b.n || fdatasync(a->fd) != 0) {
		log_error("anchor: cannot be written: %m");
		return HF_E_STORE;
	}
	a->turn++;
	buf_reset(&a->value);
	buf_raw(&a->value, value);
	return buf_err(&a->value);
}
