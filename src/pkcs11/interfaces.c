#include "module.h"

#include <string.h>

#define POINTER(name, args) .name = name,

/* C_GetInfo tells the version of the list through which it is called. */
#pragma GCC diagnostic ignored "-Woverride-init"

static CK_FUNCTION_LIST list_2_40 = {
	.version = { 2, 40 },
	CK_FUNCTIONS_2_40(POINTER)
};

static CK_FUNCTION_LIST_3_0 list_3_0 = {
	.version = { 3, 0 },
	CK_FUNCTIONS_2_40(POINTER)
	CK_FUNCTIONS_3_0(POINTER)
	.C_GetInfo = info_3_0,
};

static CK_FUNCTION_LIST_3_2 list_3_2 = {
	.version = { 3, 2 },
	CK_FUNCTIONS_2_40(POINTER)
	CK_FUNCTIONS_3_0(POINTER)
	CK_FUNCTIONS_3_2(POINTER)
	.C_GetInfo = info_3_2,
};

static CK_UTF8CHAR name[] = "PKCS 11";

/* The first is the default. Not CKF_INTERFACE_FORK_SAFE: a child has to call
 * C_Initialize anew. */
static CK_INTERFACE interfaces[] = {
	{ name, &list_3_2, 0 },
	{ name, &list_3_0, 0 },
	{ name, &list_2_40, 0 },
};
#define COUNT (sizeof(interfaces) / sizeof(interfaces[0]))

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ppFunctionList)
{
	REQUIRE(ppFunctionList != NULL);
	*ppFunctionList = &list_2_40;
	return CKR_OK;
}

CK_RV C_GetInterfaceList(CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount)
{
	CK_ULONG room;

	REQUIRE(pulCount != NULL);
	room = *pulCount;
	*pulCount = COUNT;
	if (pInterfacesList == NULL)
		return CKR_OK;
	if (room < COUNT)
		return CKR_BUFFER_TOO_SMALL;
	memcpy(pInterfacesList, interfaces, sizeof(interfaces));
	return CKR_OK;
}

static bool fits(const CK_INTERFACE *i, const CK_UTF8CHAR *wanted, const CK_VERSION *version,
	CK_FLAGS flags)
{
	const CK_VERSION *have = i->pFunctionList; /* every list begins with it */

	if (wanted != NULL && strcmp((const char *)wanted, (const char *)i->pInterfaceName) != 0)
		return false;
	if (version != NULL && (version->major != have->major || version->minor != have->minor))
		return false;
	return (flags & ~i->flags) == 0;
}

CK_RV C_GetInterface(CK_UTF8CHAR_PTR pInterfaceName, CK_VERSION_PTR pVersion,
	CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags)
{
	REQUIRE(ppInterface != NULL);
	for (size_t i = 0; i < COUNT; i++) {
		if (fits(&interfaces[i], pInterfaceName, pVersion, flags)) {
			*ppInterface = &interfaces[i];
			return CKR_OK;
		}
	}
	return CKR_FUNCTION_FAILED;
}
