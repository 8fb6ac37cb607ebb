// Takes an enrollment through its first day with Akamai's own Go client, and prints what it read.
// `main create` ends when the change offers its challenges; `main finish ENROLLMENT CHANGE` goes on once they are
// published.
package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/akamai/AkamaiOPEN-edgegrid-golang/v13/pkg/cps"
	"github.com/akamai/AkamaiOPEN-edgegrid-golang/v13/pkg/edgegrid"
	"github.com/akamai/AkamaiOPEN-edgegrid-golang/v13/pkg/session"
)

const contract = "C-1"

func must[T any](answer T, err error) T {
	check(err)
	return answer
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func number(text string) int {
	return must(strconv.Atoi(path.Base(text)))
}

// Asks for the change until what is awaited is there.
func follow(ctx context.Context, client cps.CPS, enrollment, change int, there func(*cps.Change) bool) *cps.Change {
	for {
		read := must(client.GetChangeStatus(ctx, cps.GetChangeStatusRequest{EnrollmentID: enrollment, ChangeID: change}))
		if there(read) {
			return read
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func body() cps.EnrollmentRequestBody {
	return cps.EnrollmentRequestBody{
		RA: "lets-encrypt", ValidationType: "dv", CertificateType: "san",
		CSR: &cps.CSR{CN: "go.example.com", SANS: []string{"go-2.example.com"}, C: "US", O: "Example"},
		NetworkConfiguration: &cps.NetworkConfiguration{
			Geography: "core", SecureNetwork: "enhanced-tls", SNIOnly: true, OCSPStapling: cps.OCSPStaplingOn,
			DNSNameSettings: &cps.DNSNameSettings{CloneDNSNames: true},
		},
		Org:          &cps.Org{Name: "Example"},
		AdminContact: &cps.Contact{FirstName: "A", LastName: "B", Email: "a@example.com", Phone: "617-555-0111"},
		TechContact:  &cps.Contact{FirstName: "C", LastName: "D", Email: "c@akamai.com", Phone: "617-555-0111"},
	}
}

func create(ctx context.Context, client cps.CPS) {
	created := must(client.CreateEnrollment(ctx, cps.CreateEnrollmentRequest{ContractID: contract, EnrollmentRequestBody: body()}))
	change := number(created.Changes[0])
	follow(ctx, client, created.ID, change, func(read *cps.Change) bool { return len(read.AllowedInput) > 0 })
	fmt.Println(created.ID, change)
}

func finish(ctx context.Context, client cps.CPS, enrollment, change int) {
	ids := cps.GetChangeRequest{EnrollmentID: enrollment, ChangeID: change}
	offered := must(client.GetChangeLetsEncryptChallenges(ctx, ids)).DV
	fmt.Println("challenges", len(offered), len(offered[0].Challenges))
	check(client.AcknowledgeDVChallenges(ctx, cps.AcknowledgementRequest{
		EnrollmentID: enrollment, ChangeID: change,
		Acknowledgement: cps.Acknowledgement{Acknowledgement: cps.AcknowledgementAcknowledge},
	}))
	last := follow(ctx, client, enrollment, change, func(read *cps.Change) bool { return read.StatusInfo.State == "completed" })
	fmt.Println("change", last.StatusInfo.Status)

	deployed := must(client.GetProductionDeployment(ctx, cps.GetDeploymentRequest{EnrollmentID: enrollment}))
	fmt.Println("deployed", deployed.PrimaryCertificate.KeyAlgorithm, deployed.NetworkConfiguration.SecureNetwork)

	read := must(client.GetEnrollment(ctx, cps.GetEnrollmentRequest{EnrollmentID: enrollment}))
	fmt.Println("enrollment", read.CSR.CN, len(read.PendingChanges))

	wanted := body()
	wanted.TechContact.Phone = "617-555-0112"
	updated := must(client.UpdateEnrollment(ctx, cps.UpdateEnrollmentRequest{EnrollmentID: enrollment, EnrollmentRequestBody: wanted}))
	fmt.Println("changes by a contact", len(updated.Changes))

	wanted.CSR.SANS = nil
	updated = must(client.UpdateEnrollment(ctx, cps.UpdateEnrollmentRequest{EnrollmentID: enrollment, EnrollmentRequestBody: wanted}))
	fmt.Println("changes by a name", len(updated.Changes))
	change = number(updated.Changes[0])
	must(client.CancelChange(ctx, cps.CancelChangeRequest{EnrollmentID: enrollment, ChangeID: change}))

	listed := must(client.ListEnrollments(ctx, cps.ListEnrollmentsRequest{ContractID: contract}))
	fmt.Println("listed", len(listed.Enrollments), len(listed.Enrollments[0].PendingChanges))
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// From AKAMAI_HOST and its like, as every Akamai tool reads them.
	signer := must(edgegrid.New(edgegrid.WithEnv(true)))
	client := cps.Client(must(session.New(session.WithSigner(signer))))
	switch os.Args[1] {
	case "create":
		create(ctx, client)
	case "finish":
		finish(ctx, client, number(os.Args[2]), number(os.Args[3]))
	}
}
