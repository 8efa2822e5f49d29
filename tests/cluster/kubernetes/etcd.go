package main

import (
	"net/url"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

func newEtcdCommand() *cobra.Command {
	var directory, client, peer string
	command := &cobra.Command{
		Use:   "etcd",
		Short: "One etcd member on loopback, without fsync",
		RunE: func(command *cobra.Command, _ []string) error {
			return runEtcd(command, directory, client, peer)
		},
	}
	command.Flags().StringVar(&directory, "data-dir", "", "where it keeps its data")
	command.Flags().StringVar(&client, "client-url", "", "where clients reach it")
	command.Flags().StringVar(&peer, "peer-url", "", "where other members would reach it")
	return command
}

func runEtcd(command *cobra.Command, directory, client, peer string) error {
	stop, cancel := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	config, err := etcdConfig(directory, client, peer)
	if err != nil {
		return err
	}
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case <-stop.Done():
		return nil
	case err := <-server.Err():
		return err
	}
}

func etcdConfig(directory, client, peer string) (*embed.Config, error) {
	clients, err := url.Parse(client)
	if err != nil {
		return nil, err
	}
	peers, err := url.Parse(peer)
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = directory
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peers}, []url.URL{*peers}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"
	return config, nil
}
