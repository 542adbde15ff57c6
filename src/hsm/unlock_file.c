#include "unlock_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "crypto.h"
#include "log.h"

static enum hf_err file_size(int fd, off_t *ret)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		log_error("the file of the unlock key cannot be used: %m");
		return HF_E_STORE;
	}
	*ret = st.st_size;
	return HF_OK;
}

enum hf_err unlock_file_read(int fd, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	off_t size;

	TRY(file_size(fd, &size));
	if (size != CRYPTO_KEY) {
		log_error("the file of the unlock key has %lld bytes instead of %d; put the right one back",
			(long long)size, CRYPTO_KEY);
		return HF_E_DAMAGED;
	}
	TRY(secret_alloc(&key, CRYPTO_KEY));
	if (pread(fd, key.p, key.n, 0) != CRYPTO_KEY)
		return HF_E_STORE;
	*ret = secret_take(&key);
	return HF_OK;
}

bool unlock_file_empty(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0;
}

enum hf_err unlock_file_write(int fd)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(secret_alloc(&key, CRYPTO_KEY));
	TRY(crypto_random(key.p, key.n));
	if (ftruncate(fd, 0) != 0 || pwrite(fd, key.p, key.n, 0) != CRYPTO_KEY || fsync(fd) != 0) {
		log_error("the unlock key could not be written: %m");
		return HF_E_STORE;
	}
	return HF_OK;
}

bool unlock_file_wipe(int fd)
{
	static const uint8_t zero[CRYPTO_KEY];

	if (fd < 0 || unlock_file_empty(fd))
		return true;
	if (pwrite(fd, zero, sizeof(zero), 0) == CRYPTO_KEY && fsync(fd) == 0 && ftruncate(fd, 0) == 0 &&
	    fsync(fd) == 0)
		return true;
	log_warn("the old unlock key could not be wiped from its file: %m");
	return false;
}
