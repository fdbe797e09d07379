// Posts the answer at once (OAuth 2.0 Form Post Response Mode, section 2); without JavaScript the button does it.
HTMLFormElement.prototype.submit.call(document.getElementById("form-post"));
