// SPDX-License-Identifier: GPL-2.0
/*
 * An RDMA device for each PCI function named by the module's parameter, as an adapter's driver would register it: its
 * parent is the function, its port's interface is the function's. It moves no data. The lab's tests load it on top of
 * e1000e, since what Debian's kernel has in software cannot move between network namespaces.
 *
 * GPL-2.0, unlike the rest of sshbay, because it uses symbols that the kernel exports to such modules only. It is no
 * part of sshbay, and never installed. Verbs' programs take it for siw, whose user-space driver asks least of a kernel;
 * Debian's kernel has no siw that could take it for its own.
 *
 * Parameters: functions=ADDRESS,..; stay=Y: the device refuses to change namespaces, as drivers do that cannot take a
 * device away from its users; linger=MS: that long it takes to take it away from each of them; ports=2: a second port,
 * which is the interface of the next function (of the first, for the last).
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <rdma/ib_verbs.h>
#include <rdma/siw-abi.h>

#define FUNCTIONS_MAX 4
#define GIDS          16

struct test_device {
	struct ib_device ib;
	struct pci_dev *pci;
	bool registered;
};
struct test_context {
	struct ib_ucontext ib;
};
struct test_pd {
	struct ib_pd ib;
};

static struct test_device *devices[FUNCTIONS_MAX];
static char *functions[FUNCTIONS_MAX];
static int nfunctions;
static bool stay;
static unsigned int linger, ports = 1;

module_param_array(functions, charp, &nfunctions, 0444);
module_param(linger, uint, 0644);
module_param(ports, uint, 0444);

/* --- what verbs' programs ask --- */

static int test_query_device(struct ib_device *dev, struct ib_device_attr *attr,
			     struct ib_udata *udata)
{
	memset(attr, 0, sizeof(*attr));
	attr->sys_image_guid = dev->node_guid;
	attr->vendor_id = 0x555555;
	attr->max_qp = 16;
	attr->max_cq = 16;
	attr->max_pd = 16;
	attr->max_mr_size = ~0ULL;
	return 0;
}

static int test_query_port(struct ib_device *dev, u32 port, struct ib_port_attr *attr)
{
	/* Zeroed by the caller. */
	attr->state = IB_PORT_ACTIVE;
	attr->phys_state = IB_PORT_PHYS_STATE_LINK_UP;
	attr->max_mtu = attr->active_mtu = IB_MTU_1024;
	attr->gid_tbl_len = GIDS;
	attr->pkey_tbl_len = 1;
	attr->active_width = IB_WIDTH_1X;
	attr->active_speed = IB_SPEED_SDR;
	attr->max_msg_sz = 1 << 20;
	return 0;
}

static int test_port_immutable(struct ib_device *dev, u32 port, struct ib_port_immutable *im)
{
	im->gid_tbl_len = GIDS;
	im->pkey_tbl_len = 1;
	/* Of RoCE without management datagrams. */
	im->core_cap_flags = RDMA_CORE_CAP_PROT_ROCE_UDP_ENCAP | RDMA_CORE_CAP_ETH_AH;
	return 0;
}

static enum rdma_link_layer test_link_layer(struct ib_device *dev, u32 port)
{
	return IB_LINK_LAYER_ETHERNET;
}

static int test_query_pkey(struct ib_device *dev, u32 port, u16 index, u16 *pkey)
{
	*pkey = 0xffff;
	return index ? -EINVAL : 0;
}

static int test_gid(const struct ib_gid_attr *attr, void **context)
{
	return 0;
}

static int test_alloc_ucontext(struct ib_ucontext *context, struct ib_udata *udata)
{
	struct siw_uresp_alloc_ctx answer = {};

	return udata->outlen < sizeof(answer) ? -EINVAL
					      : ib_copy_to_udata(udata, &answer, sizeof(answer));
}

static void test_dealloc_ucontext(struct ib_ucontext *context)
{
}

/* The device goes away from a process that has it open; it has mapped nothing. */
static void test_disassociate(struct ib_ucontext *context)
{
	msleep(linger);
}

static int test_alloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static int test_dealloc_pd(struct ib_pd *pd, struct ib_udata *udata)
{
	return 0;
}

static const struct ib_device_ops ops = {
	.owner = THIS_MODULE,
	.driver_id = RDMA_DRIVER_SIW,
	.uverbs_abi_ver = SIW_ABI_VERSION,
	.query_device = test_query_device,
	.query_port = test_query_port,
	.get_port_immutable = test_port_immutable,
	.get_link_layer = test_link_layer,
	.query_pkey = test_query_pkey,
	.add_gid = test_gid,
	.del_gid = test_gid,
	.alloc_ucontext = test_alloc_ucontext,
	.dealloc_ucontext = test_dealloc_ucontext,
	.disassociate_ucontext = test_disassociate,
	.alloc_pd = test_alloc_pd,
	.dealloc_pd = test_dealloc_pd,
	INIT_RDMA_OBJ_SIZE(ib_ucontext, test_context, ib),
	INIT_RDMA_OBJ_SIZE(ib_pd, test_pd, ib),
};

static int set_stay(const char *value, const struct kernel_param *kp)
{
	int ret = param_set_bool(value, kp);

	for (int i = 0; ret == 0 && i < FUNCTIONS_MAX; i++)
		if (devices[i])
			devices[i]->ib.ops.disassociate_ucontext = stay ? NULL : test_disassociate;
	return ret;
}

static const struct kernel_param_ops stay_ops = { .set = set_stay, .get = param_get_bool };
module_param_cb(stay, &stay_ops, &stay, 0644);

/* --- interfaces --- */

static struct pci_dev *next_function(int i)
{
	i = i + 1 < nfunctions ? i + 1 : 0;
	return devices[i] ? devices[i]->pci : NULL;
}

/* Whatever its name and namespace: an interface that appears is a port's when both are of one function. */
static void set_ports(int i, struct net_device *ndev, bool there)
{
	struct pci_dev *next = ports > 1 ? next_function(i) : NULL;

	if (ndev->dev.parent == &devices[i]->pci->dev)
		ib_device_set_netdev(&devices[i]->ib, there ? ndev : NULL, 1);
	else if (next && ndev->dev.parent == &next->dev)
		ib_device_set_netdev(&devices[i]->ib, there ? ndev : NULL, 2);
}

static int on_netdev(struct notifier_block *nb, unsigned long event, void *info)
{
	if (event != NETDEV_REGISTER && event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	for (int i = 0; i < nfunctions; i++)
		if (devices[i])
			set_ports(i, netdev_notifier_info_to_dev(info), event == NETDEV_REGISTER);
	return NOTIFY_DONE;
}

static struct notifier_block netdev_watch = { .notifier_call = on_netdev };

/* --- devices --- */

static struct pci_dev *get_function(const char *address)
{
	unsigned int domain, bus, slot, fn;

	if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &fn) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, fn));
}

static int make(int i)
{
	struct pci_dev *pci = get_function(functions[i]);
	struct test_device *dev;

	if (!pci)
		return -ENODEV;
	dev = ib_alloc_device(test_device, ib);
	if (!dev) {
		pci_dev_put(pci);
		return -ENOMEM;
	}
	dev->pci = pci;
	dev->ib.dev.parent = &pci->dev;
	dev->ib.node_type = RDMA_NODE_IB_CA;
	dev->ib.phys_port_cnt = ports;
	dev->ib.num_comp_vectors = 1;
	dev->ib.node_guid = cpu_to_be64(0x5254000000000000ULL + i + 1);
	ib_set_device_ops(&dev->ib, &ops);
	devices[i] = dev;
	return 0;
}

static void drop(void)
{
	for (int i = 0; i < nfunctions; i++)
		if (devices[i]) {
			struct pci_dev *pci = devices[i]->pci;

			if (devices[i]->registered)
				ib_unregister_device(&devices[i]->ib);
			ib_dealloc_device(&devices[i]->ib);
			pci_dev_put(pci);
		}
}

static void rdmatest_exit(void)
{
	/* Takes the interfaces from the ports, too: each is told as if it went. */
	unregister_netdevice_notifier(&netdev_watch);
	drop();
}

static int __init rdmatest_init(void)
{
	int ret = 0;

	if (ports < 1 || ports > 2)
		return -EINVAL;
	for (int i = 0; ret == 0 && i < nfunctions; i++)
		ret = make(i);
	/* Tells of the interfaces that are there, too. */
	if (ret == 0)
		ret = register_netdevice_notifier(&netdev_watch);
	if (ret) {
		pr_err("rdmatest: error %d\n", ret);
		drop();
		return ret;
	}
	for (int i = 0; ret == 0 && i < nfunctions; i++) {
		ret = ib_register_device(&devices[i]->ib, "test%d", NULL);
		devices[i]->registered = ret == 0;
	}
	if (ret) {
		pr_err("rdmatest: register: error %d\n", ret);
		rdmatest_exit();
	}
	return ret;
}

module_init(rdmatest_init);
module_exit(rdmatest_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("RDMA devices that move between network namespaces, for tests");
