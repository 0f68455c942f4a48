// Command gpuplugin tells a kubelet of NVIDIA GPUs that are not there.
//
// It speaks the device plugin API that NVIDIA's own plugin speaks, so the scheduler counts
// the devices and the kubelet's PodResources socket names the pod of each. It gives the
// containers no device: what measures the power of such a GPU is a stand-in as well, and
// must hand out the same ids (see deviceID).
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	resource = "nvidia.com/gpu"
	socket   = "lowtide-gpu.sock"
)

// deviceID returns the id of GPU number i, in the form of NVML's UUID.
func deviceID(i int) string {
	return fmt.Sprintf("GPU-%08x-0000-4000-8000-%012x", 0xabc00000+i, i)
}

// plugin serves a fixed list of healthy devices.
type plugin struct {
	api.UnimplementedDevicePluginServer
	devices []*api.Device
	stopped <-chan struct{}
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

// ListAndWatch sends the list once: no device ever fails, comes or goes.
func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	if err := stream.Send(&api.ListAndWatchResponse{Devices: p.devices}); err != nil {
		return err
	}
	select {
	case <-p.stopped:
	case <-stream.Context().Done():
	}
	return nil
}

// Allocate names the devices in the variable that NVIDIA's container runtime reads.
func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	response := &api.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		response.ContainerResponses = append(response.ContainerResponses, &api.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")},
		})
	}
	return response, nil
}

// serve answers on the plugin's socket until ctx ends or a restarted kubelet removes the
// socket, which is how a kubelet asks every plugin to register again.
func serve(ctx context.Context, directory string, devices []*api.Device) error {
	path := filepath.Join(directory, socket)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	server := grpc.NewServer()
	defer server.Stop()
	api.RegisterDevicePluginServer(server, &plugin{devices: devices, stopped: serving.Done()})
	go server.Serve(listener)

	if err := register(ctx, directory); err != nil {
		return err
	}
	log.Printf("registered %d × %s", len(devices), resource)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
			if _, err := os.Stat(path); os.IsNotExist(err) {
				return nil
			}
		}
	}
}

func register(ctx context.Context, directory string) error {
	connection, err := grpc.NewClient("unix://"+filepath.Join(directory, "kubelet.sock"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(connection).Register(deadline,
		&api.RegisterRequest{Version: api.Version, Endpoint: socket, ResourceName: resource})
	return err
}

func main() {
	count := flag.Int("gpus", 2, "number of GPUs to advertise")
	directory := flag.String("directory", "/var/lib/kubelet/device-plugins", "the kubelet's device plugin directory")
	flag.Parse()
	var devices []*api.Device
	for i := range *count {
		devices = append(devices, &api.Device{ID: deviceID(i), Health: api.Healthy})
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		if err := serve(ctx, *directory, devices); err != nil {
			log.Printf("not registered, trying again: %v", err) // the kubelet may not listen yet
			time.Sleep(200 * time.Millisecond)
		}
	}
}
