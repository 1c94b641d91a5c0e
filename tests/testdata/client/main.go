// Command client asks the API through the official SDK for Go, so that a test can drive it: so many calls, one after the other.
//
//	client N
//
// It prints what each is answered, or its error, a line each.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/anthropics/anthropic-sdk-go"
)

func main() {
	n, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "client: how many calls?")
		os.Exit(64)
	}
	client := anthropic.NewClient() // by the environment
	for range n {
		answer, err := client.Messages.New(context.Background(), anthropic.MessageNewParams{
			Model: "claude-opus-5-5", MaxTokens: 16,
			Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hello"))},
		})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(answer.Content[0].Text)
	}
}
